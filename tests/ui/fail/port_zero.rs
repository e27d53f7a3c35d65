// Port 0 is not a port that a job may open.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 0)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
