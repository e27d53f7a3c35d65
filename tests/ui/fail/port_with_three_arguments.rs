// A port has a name and a number, and nothing else.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, true)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
