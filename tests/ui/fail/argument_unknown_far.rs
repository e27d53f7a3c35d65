// An argument that does not exist.

use chutes::{JobContext, JobError, job};

#[job(gpu = 1)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
