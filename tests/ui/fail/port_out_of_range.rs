// Port 80 is below the range.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 80)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
