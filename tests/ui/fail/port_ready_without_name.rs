// A path without its name.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, "/health")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
