// Protocols are in lower case.

use chutes::{JobContext, JobError, job};

#[job(ports = [HTTP("web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
