//! A job that one may log in to, and that goes on or ends as it is told.

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

/// Keeps the runtime from everything else, on all of its threads but the one that it has no use for.
fn wait_without_yielding(path: &Path) {
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
