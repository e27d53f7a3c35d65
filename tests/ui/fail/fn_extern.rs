// A job has the calling convention of Rust.

use chutes::{JobContext, JobError, job};

#[job]
async extern "C" fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
