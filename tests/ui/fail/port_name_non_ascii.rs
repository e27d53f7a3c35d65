// A port name is ASCII.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("größe", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
