// In a port name, digits come last.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web1ui", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
