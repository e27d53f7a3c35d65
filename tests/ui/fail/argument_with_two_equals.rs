// An argument is not a comparison.

use chutes::{JobContext, JobError, job};

#[job(upload == true)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
