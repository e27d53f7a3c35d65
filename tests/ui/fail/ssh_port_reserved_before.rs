// `ssh = true` opens port 2202 itself, wherever it stands.

use chutes::{JobContext, JobError, job};

#[job(ssh = true, ports = [http("web", 8080), tcp("shell", 2202)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
