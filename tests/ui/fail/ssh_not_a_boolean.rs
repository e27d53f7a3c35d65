// `ssh` is `true` or `false`, not a text.

use chutes::{JobContext, JobError, job};

#[job(ssh = "yes")]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
