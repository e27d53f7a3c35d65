// `None` is not how to ask for no timeout.

use chutes::{JobContext, JobError, job};

#[job(timeout = None)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
