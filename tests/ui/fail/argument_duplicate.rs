// An argument is given twice.

use chutes::{JobContext, JobError, job};

#[job(timeout = 60, timeout = 120)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
