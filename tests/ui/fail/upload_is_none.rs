// `upload` is `true` or `false`, not an option.

use chutes::{JobContext, JobError, job};

#[job(upload = None)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
