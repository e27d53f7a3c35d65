// `ssh` is `true` or `false`, not a port number.

use chutes::{JobContext, JobError, job};

#[job(ssh = 2202)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
