// There is nothing at this path.

use chutes::{JobContext, JobError, job};

#[job(crate = crate::missing)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
