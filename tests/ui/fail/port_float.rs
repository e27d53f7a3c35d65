// A port number is not a float, not even a whole one.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080.0)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
