// The units of a duration go from large to small.

use chutes::{JobContext, JobError, job};

#[job(timeout = "30m 1h")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
