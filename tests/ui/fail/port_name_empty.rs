// A port name is not empty.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
