// A duration that is too long.

use chutes::{JobContext, JobError, job};

#[job(timeout = "24h 1s")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
