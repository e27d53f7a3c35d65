// A port number is a literal, not an expression.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8000 + 80)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
