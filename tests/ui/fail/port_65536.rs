// Port 65536 does not fit into 16 bits.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 65536)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
