// A duration with a unit is a text: these are 90 minutes, not 90 seconds.

use chutes::{JobContext, JobError, job};

#[job(timeout = 90m)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
