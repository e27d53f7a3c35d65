// Port 8001 is just below the range.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8001)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
