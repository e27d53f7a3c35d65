// `ready` is not a flag.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, ready)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
