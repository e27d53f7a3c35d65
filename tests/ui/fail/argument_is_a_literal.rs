// A value without the name of an argument.

use chutes::{JobContext, JobError, job};

#[job(3_600)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
