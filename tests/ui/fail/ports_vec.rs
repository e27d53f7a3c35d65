// The list of ports is not a `Vec`.

use chutes::{JobContext, JobError, job};

#[job(ports = vec![http("web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
