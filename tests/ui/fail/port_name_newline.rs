// A port name does not end in a newline.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web\n", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
