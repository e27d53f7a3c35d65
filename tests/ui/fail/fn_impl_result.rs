// The result of a job has a name.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext) -> Result<impl Send, JobError> {
    Ok(1)
}

fn main() {}
