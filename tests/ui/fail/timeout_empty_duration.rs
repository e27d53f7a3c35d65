// A text without anything in it is no duration.

use chutes::{JobContext, JobError, job};

#[job(timeout = "")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
