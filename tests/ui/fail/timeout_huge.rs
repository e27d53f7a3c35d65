// This timeout does not even fit into 64 bits.

use chutes::{JobContext, JobError, job};

#[job(timeout = 99_999_999_999_999_999_999)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
