// One path for each port.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, ready = "/health", ready = "/ready")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
