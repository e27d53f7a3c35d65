// A space is written as `%20`.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, ready = "/is ready")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
