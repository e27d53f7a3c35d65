// An argument with a colon in place of the equals sign.

use chutes::{JobContext, JobError, job};

#[job(ssh: true)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
