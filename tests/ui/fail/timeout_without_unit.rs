// A duration in a text needs its unit.

use chutes::{JobContext, JobError, job};

#[job(timeout = "60")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
