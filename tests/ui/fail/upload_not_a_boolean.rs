// `upload` is `true` or `false`, not a number.

use chutes::{JobContext, JobError, job};

#[job(upload = 0)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
