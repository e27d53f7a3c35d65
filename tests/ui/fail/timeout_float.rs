// A timeout has no fraction.

use chutes::{JobContext, JobError, job};

#[job(timeout = 60.5)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
