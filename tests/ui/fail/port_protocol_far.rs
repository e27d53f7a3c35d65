// `grpc` is not one of the protocols.

use chutes::{JobContext, JobError, job};

#[job(ports = [grpc("web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
