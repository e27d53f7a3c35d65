// Weeks are not a unit of a duration.

use chutes::{JobContext, JobError, job};

#[job(timeout = "2w")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
