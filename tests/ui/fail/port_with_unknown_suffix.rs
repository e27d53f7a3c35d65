// `http` is not a suffix of a number.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080http)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
