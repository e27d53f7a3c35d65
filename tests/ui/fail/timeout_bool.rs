// A timeout is not a boolean.

use chutes::{JobContext, JobError, job};

#[job(timeout = false)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
