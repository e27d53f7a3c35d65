// `crate` is a path, not a text.

use chutes::{JobContext, JobError, job};

#[job(crate = "chutes")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
