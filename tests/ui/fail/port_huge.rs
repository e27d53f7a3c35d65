// This port number does not even fit into 64 bits.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 99999999999999999999)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
