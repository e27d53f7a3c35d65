// No comma between two arguments.

use chutes::{JobContext, JobError, job};

#[job(timeout = 60 upload = false)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
