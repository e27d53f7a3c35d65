// Data and context are in the wrong order.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_data: u32, _ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
