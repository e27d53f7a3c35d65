// The data of a job is owned.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext, _data: &str) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
