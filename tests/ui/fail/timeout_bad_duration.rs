// A text that is no duration.

use chutes::{JobContext, JobError, job};

#[job(timeout = "soon")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
