// A timeout of 29 seconds is one second too short.

use chutes::{JobContext, JobError, job};

#[job(timeout = 29)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
