// The same port again: one mistake, one error.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080), http("web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
