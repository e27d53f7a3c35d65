// A job is not unsafe to call.

use chutes::{JobContext, JobError, job};

#[job]
async unsafe fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
