//! Jobs for the tests of recovery and of events: with helpers that outlive them, and without an end.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use chutes::prelude::*;

/// Options of `leaves_a_helper`; further fields of its data say how the hooks behave.
#[derive(serde::Deserialize)]
struct Work {
    files: usize,
    #[serde(default)]
    behaviour: Vec<String>,
}

/// Starts a helper in a process group of its own, writes as many outputs as its data says, and
/// returns their number. The helper is left behind.
#[job]
async fn leaves_a_helper(ctx: JobContext, data: Work) -> Result<usize, JobError> {
    Command::new("sleep").arg("300").stdin(Stdio::null()).process_group(0).spawn()?;
    for number in 0..data.files {
        let folder = ctx.output_dir().join(format!("part-{}", number % 10));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{number}.txt")), format!("content {number}\n"))?;
    }
    println!("outputs are written");
    if data.behaviour.iter().any(|wanted| wanted == "never_ends") {
        println!("ready");
        std::future::pending::<()>().await;
    }
    Ok(data.files)
}

/// Fills the disk with its outputs and says nothing of it, but returns more than the last block of a
/// file has room for. Its data say how the hooks behave.
#[job]
async fn fills_the_disk_quietly(ctx: JobContext, _data: Vec<String>) -> Result<String, JobError> {
    let mut file = std::fs::File::create(ctx.output_dir().join("filler.bin"))?;
    while file.write_all(&[b'x'; 16]).is_ok() {}
    Ok("result ".repeat(2_000))
}

/// Prints without end, and yields.
#[job]
async fn prints_for_ever(_ctx: JobContext) -> Result<(), JobError> {
    for line in 0_u64.. {
        println!("line {line} of a job that has more to say than anybody wants to read");
        if line % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}
