// A duration with a decimal point.

use chutes::{JobContext, JobError, job};

#[job(timeout = "1.5h")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
