//! Jobs that leave unusual things in their output directory.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use chutes::prelude::*;

/// Writes files of all kinds, links, a socket and a pipe among them.
#[job]
async fn writes_everything(ctx: JobContext) -> Result<(), JobError> {
    let outputs = ctx.output_dir();
    std::fs::write(outputs.join("plain.txt"), "plain")?;
    std::fs::write(outputs.join(".hidden"), "hidden")?;
    std::fs::create_dir_all(outputs.join("a/b/.c"))?;
    std::fs::write(outputs.join("a/b/.c/deep.bin"), [0, 255])?;
    std::fs::write(outputs.join("two\nlines"), "")?;
    symlink("/etc", outputs.join("link-to-folder"))?;
    symlink("/etc/hostname", outputs.join("link-to-file"))?;
    symlink("plain.txt", outputs.join("a/link-inside"))?;
    drop(std::os::unix::net::UnixListener::bind(outputs.join("socket"))?);
    make_pipe(&outputs.join("pipe"))?;
    std::fs::write(ctx.scratch_dir().join("scratch.txt"), "not collected")?;
    Ok(())
}

/// Leaves an output whose name is not text.
#[job]
async fn writes_a_strange_name(ctx: JobContext) -> Result<u8, JobError> {
    use std::os::unix::ffi::OsStrExt;

    std::fs::write(ctx.output_dir().join("good.txt"), "good")?;
    std::fs::write(ctx.output_dir().join(std::ffi::OsStr::from_bytes(b"b\xffd")), "bad")?;
    Ok(7)
}

/// Leaves an output and a folder without any permissions.
#[job]
async fn writes_what_cannot_be_read(ctx: JobContext) -> Result<(), JobError> {
    let outputs = ctx.output_dir();
    std::fs::create_dir(outputs.join("closed"))?;
    for name in ["good.txt", "secret.txt", "closed/inside.txt"] {
        std::fs::write(outputs.join(name), name)?;
    }
    for name in ["secret.txt", "closed"] {
        std::fs::set_permissions(outputs.join(name), std::fs::Permissions::from_mode(0o000))?;
    }
    Ok(())
}

/// Leaves a thread and a process behind that go on writing to one of the outputs.
#[job]
async fn keeps_writing(ctx: JobContext) -> Result<(), JobError> {
    std::fs::write(ctx.output_dir().join("good.txt"), "good")?;
    let mut file = std::fs::File::create(ctx.output_dir().join("growing.log"))?;
    let other =
        std::fs::OpenOptions::new().append(true).open(ctx.output_dir().join("growing.log"))?;
    std::process::Command::new("yes").stdout(other).spawn()?;
    // Long enough that reading it takes a while.
    file.write_all(&vec![b'.'; 8 * 1024 * 1024])?;
    std::thread::spawn(move || while file.write_all(b"more\n").is_ok() {});
    Ok(())
}

/// Writes as many small files as its data says.
#[job]
async fn writes_many_files(ctx: JobContext, count: usize) -> Result<(), JobError> {
    for number in 0..count {
        let folder = ctx.output_dir().join(format!("{}", number % 100));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{number}.txt")), number.to_string())?;
    }
    Ok(())
}

/// Has the files of another folder of the same file system as its outputs, as further names of them.
/// That takes hardly any time: the benchmarks measure what comes after the job.
#[job]
async fn links_files(ctx: JobContext, folder: String) -> Result<(), JobError> {
    Ok(link_all(Path::new(&folder), ctx.output_dir())?)
}

fn link_all(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&place)?;
            link_all(&entry.path(), &place)?;
        } else {
            std::fs::hard_link(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Leaves an output of as many bytes as its data says, which takes no space on the disk.
#[job]
async fn writes_a_huge_file(ctx: JobContext, bytes: u64) -> Result<u64, JobError> {
    std::fs::write(ctx.output_dir().join("good.txt"), "good")?;
    std::fs::File::create(ctx.output_dir().join("huge.bin"))?.set_len(bytes)?;
    println!("ready");
    Ok(bytes)
}

/// What `fills_the_disk` does when the disk is full.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhenFull {
    ReturnTheError,
    SayNothing,
    MakeRoom,
}

/// Writes outputs until the disk is full.
#[job]
async fn fills_the_disk(ctx: JobContext, data: WhenFull) -> Result<(), JobError> {
    let path = ctx.output_dir().join("filler.bin");
    let mut file = std::fs::File::create(&path)?;
    let full = loop {
        if let Err(error) = file.write_all(&[b'x'; 512]) {
            break error;
        }
    };
    println!("the disk is full");
    match data {
        WhenFull::ReturnTheError => Err(full.into()),
        WhenFull::SayNothing => Ok(()),
        WhenFull::MakeRoom => Ok(std::fs::remove_file(path)?),
    }
}

/// Puts a link to another folder into the place of its output directory.
#[job]
async fn replaces_its_outputs(ctx: JobContext, folder: String) -> Result<(), JobError> {
    std::fs::remove_dir(ctx.output_dir())?;
    Ok(symlink(folder, ctx.output_dir())?)
}

/// Removes its own run directory.
#[job]
async fn removes_its_directory(ctx: JobContext) -> Result<(), JobError> {
    let root = ctx.output_dir().parent().ok_or("no parent")?;
    Ok(std::fs::remove_dir_all(root)?)
}

/// Removes the journal of its own run, or puts something else into its place.
#[job]
async fn removes_its_journal(ctx: JobContext, instead: String) -> Result<(), JobError> {
    let journal = ctx.output_dir().parent().ok_or("no parent")?.join("run.jsonl");
    std::fs::remove_file(&journal)?;
    match &*instead {
        "" => {}
        "folder" => std::fs::create_dir(&journal)?,
        "link" => symlink("/dev/null", &journal)?,
        text => std::fs::write(&journal, text)?,
    }
    Ok(())
}

/// Returns its own view of the run.
#[job(ports = [tcp("metrics", 9_090)])]
async fn shows_its_context(
    ctx: JobContext,
    data: serde_json::Value,
) -> Result<serde_json::Value, JobError> {
    ctx.port("metrics")?.bind_tcp().await?;
    Ok(serde_json::json!({
        "job": ctx.job().as_str(),
        "run_id": ctx.run_id().to_string(),
        "inputs": std::fs::read_dir(ctx.input_dir())?.count(),
        "port": ctx.port("metrics")?.address().to_string(),
        "unknown_port": ctx.port("web").map_err(|error| error.to_string()).err(),
        "attempt": ctx.attempt(),
        "deadline": ctx.deadline().is_some(),
        "raw_data": ctx.data().as_str(),
        "data": data,
        "temporary_directory": std::env::var("TMPDIR").ok(),
        "working_directory": std::env::current_dir()?,
    }))
}

/// Returns what its open descriptors lead to.
#[job]
async fn lists_its_descriptors(_ctx: JobContext) -> Result<Vec<String>, JobError> {
    let entries = std::fs::read_dir("/proc/self/fd")?.flatten();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    Ok(targets.map(|target| target.display().to_string()).collect())
}

fn make_pipe(path: &Path) -> Result<(), JobError> {
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    if made.success() { Ok(()) } else { Err("mkfifo failed".into()) }
}
