// A job is asynchronous.

use chutes::{JobContext, JobError, job};

#[job]
fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
