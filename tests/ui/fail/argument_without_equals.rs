// An argument in the form of a call.

use chutes::{JobContext, JobError, job};

#[job(timeout(30))]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
