// An argument without a value.

use chutes::{JobContext, JobError, job};

#[job(ssh)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
