// `ssh = true` opens port 2202 itself.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("shell", 2202)], ssh = true)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
