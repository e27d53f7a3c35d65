// A port name does not start with a digit.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("8web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
