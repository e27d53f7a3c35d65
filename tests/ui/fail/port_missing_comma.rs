// No comma between two ports.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080) tcp("metrics", 9090)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
