// A path is a text.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, ready = true)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
