// A port without a number.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
