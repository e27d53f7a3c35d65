// A third argument has a name.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, true)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
