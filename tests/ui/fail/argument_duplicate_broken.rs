// An argument is given twice, the first time with a wrong value.

use chutes::{JobContext, JobError, job};

#[job(timeout = 5, timeout = 60)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
