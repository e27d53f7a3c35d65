// A timeout is not a `Duration`.

use chutes::{JobContext, JobError, job};

#[job(timeout = std::time::Duration::from_secs(60))]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
