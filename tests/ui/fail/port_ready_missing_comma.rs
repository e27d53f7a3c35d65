// No comma behind the number.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080 ready = "/health")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
