//! Jobs whose files are delivered.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chutes::prelude::*;
use serde::Deserialize;

/// Which files a job writes, and how it ends then.
#[derive(Deserialize)]
struct Work {
    #[serde(default)]
    files: Vec<NewFile>,
    #[serde(default)]
    then: Then,
    #[serde(default)]
    result: serde_json::Value,
}

/// A file of this many bytes, without repetitions.
#[derive(Deserialize)]
struct NewFile {
    path: String,
    bytes: usize,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Then {
    #[default]
    Return,
    Fail,
    Wait,
}

impl Work {
    async fn carry_out(self, ctx: &JobContext) -> Result<serde_json::Value, JobError> {
        println!("a line for the log");
        for file in &self.files {
            write(&ctx.output_dir().join(&file.path), file.bytes)?;
        }
        println!("ready");
        match self.then {
            Then::Return => {}
            Then::Fail => return Err("the work went wrong".into()),
            Then::Wait => ctx.cancellation().cancelled().await,
        }
        Ok(self.result)
    }
}

fn write(path: &Path, bytes: usize) -> Result<(), JobError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut state = u32::try_from(bytes)?;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let content: Vec<u8> = (0..bytes.min(1 << 20)).map(|_| next()).collect();
    let mut file = std::fs::File::create(path)?;
    let mut left = bytes;
    while left > 0 {
        // No two pieces are the same, so that none can take the place of another.
        let piece = &content[left % 997 % content.len()..];
        let piece = &piece[..piece.len().min(left)];
        std::io::Write::write_all(&mut file, piece)?;
        left -= piece.len();
    }
    Ok(())
}

/// Writes files, and then returns, fails, or works until it is cancelled.
#[job]
async fn delivers(ctx: JobContext, data: Work) -> Result<serde_json::Value, JobError> {
    data.carry_out(&ctx).await
}

/// The same, but its files must not leave the directory of the run.
#[job(upload = false)]
async fn keeps_to_itself(ctx: JobContext, data: Work) -> Result<serde_json::Value, JobError> {
    data.carry_out(&ctx).await
}

/// Writes files whose names are not like those of other files. Each has its name as its content.
#[job]
async fn writes_odd_names(ctx: JobContext) -> Result<(), JobError> {
    let names = [
        &b"with space"[..],
        b"100%",
        b"%41",
        "gr\u{fc}\u{df}e/\u{1f680}".as_bytes(),
        b"two\nlines",
        b"not \xff text",
        b"a+b&c=d?e#f",
        b".hidden/..x",
        b"quote\"d",
    ];
    for name in names {
        let path = ctx.output_dir().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap_or(ctx.output_dir()))?;
        std::fs::write(path, name)?;
    }
    Ok(())
}

/// Leaves an output without any permissions.
#[job]
async fn writes_a_secret(ctx: JobContext) -> Result<(), JobError> {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(ctx.output_dir().join("good.txt"), "good")?;
    let secret = ctx.output_dir().join("secret.txt");
    std::fs::write(&secret, "secret")?;
    Ok(std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o000))?)
}

/// Writes a checkpoint and leaves it alone, until a file named `go` is in its scratch directory. Then
/// it writes the checkpoint anew, and works until it is cancelled.
#[job]
async fn writes_checkpoints(ctx: JobContext) -> Result<(), JobError> {
    let checkpoint = ctx.output_dir().join("checkpoint.bin");
    std::fs::write(&checkpoint, "first")?;
    println!("ready");
    while !ctx.scratch_dir().join("go").exists() && !ctx.is_cancelled() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    std::fs::write(&checkpoint, "second")?;
    println!("changed");
    ctx.cancellation().cancelled().await;
    Ok(std::fs::write(ctx.output_dir().join("last.txt"), "last")?)
}

/// Returns what it can see of the world: its environment, and all command lines of this machine.
#[job]
async fn looks_around(_ctx: JobContext) -> Result<serde_json::Value, JobError> {
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let processes = std::fs::read_dir("/proc")?.flatten().map(|entry| entry.path());
    // Processes end while they are listed.
    let lines = processes.filter_map(|path| std::fs::read(path.join("cmdline")).ok());
    let processes: Vec<String> =
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect();
    Ok(serde_json::json!({"environment": environment, "processes": processes}))
}
