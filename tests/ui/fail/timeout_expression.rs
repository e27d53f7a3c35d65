// A timeout is a literal, not an expression.

use chutes::{JobContext, JobError, job};

#[job(timeout = 60 * 60)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
