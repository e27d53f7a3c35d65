// A port name has no upper case letters.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("Web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
