// Port 2201 is next to 2202, the one port allowed below 8002.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 2201)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
