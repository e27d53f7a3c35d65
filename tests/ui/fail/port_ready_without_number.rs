// A readiness path in place of the number.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", ready = "/health")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
