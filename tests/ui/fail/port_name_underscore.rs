// A port name has no underscore.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web_ui", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
