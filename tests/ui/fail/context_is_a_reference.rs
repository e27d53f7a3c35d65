// The context is taken by value.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: &JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
