// A timeout of 86401 seconds is one second too long.

use chutes::{JobContext, JobError, job};

#[job(timeout = 86_401)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
