// One name for two ports.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("web", 8080), udp("web", 8081)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
