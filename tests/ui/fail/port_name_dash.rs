// A port name has no dash.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web-ui", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
