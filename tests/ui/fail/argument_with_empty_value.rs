// Nothing after the equals sign.

use chutes::{JobContext, JobError, job};

#[job(timeout = , upload = false)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
