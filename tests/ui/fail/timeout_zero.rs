// A timeout of 0 does not mean no timeout.

use chutes::{JobContext, JobError, job};

#[job(timeout = 0)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
