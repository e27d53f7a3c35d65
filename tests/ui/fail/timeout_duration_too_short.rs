// A duration that is too short.

use chutes::{JobContext, JobError, job};

#[job(timeout = "29s")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
