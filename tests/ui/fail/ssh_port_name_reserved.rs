// `ssh = true` names its port `ssh`.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("ssh", 8022)], ssh = true)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
