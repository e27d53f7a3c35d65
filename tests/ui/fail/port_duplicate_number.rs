// One number for two ports, although their protocols differ.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("web", 8080), udp("data", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
