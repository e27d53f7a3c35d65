// A relative path would mean something else in each module.

use chutes::{JobContext, JobError, job};

#[job(crate = chutes)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
