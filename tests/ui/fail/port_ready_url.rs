// A path, and not a whole URL.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, ready = "http://localhost:8080/health")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
