// A slip in the name of an argument.

use chutes::{JobContext, JobError, job};

#[job(timout = 3_600)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
