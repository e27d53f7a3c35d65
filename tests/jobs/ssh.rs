//! A job with SSH, which continues or ends as its data says.

use std::path::Path;
use std::time::Duration;

use chutes::prelude::*;

/// How the job goes on.
#[derive(serde::Deserialize)]
struct Way {
    way: String,
}

/// Says that it is ready and waits for the file `go` in its scratch directory, unless its data say that it is
/// stuck. Then it ends as its data say.
#[job(ssh = true)]
async fn offers_ssh(ctx: JobContext, data: Way) -> Result<(), JobError> {
    std::fs::write(ctx.output_dir().join("begun.txt"), "begun")?;
    println!("ready");
    let go = ctx.scratch_dir().join("go");
    match data.way.as_str() {
        "is_stuck" => wait_without_yielding(&go),
        _ => wait(&go, &ctx).await,
    }
    match data.way.as_str() {
        "crashes" => std::process::abort(),
        "fails" => Err("as it was told".into()),
        _ => Ok(()),
    }
}

async fn wait(path: &Path, ctx: &JobContext) {
    while !path.exists() && !ctx.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Blocks all threads of the runtime but one.
fn wait_without_yielding(path: &Path) {
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
