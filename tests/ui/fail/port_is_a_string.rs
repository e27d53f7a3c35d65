// A port is not a text.

use chutes::{JobContext, JobError, job};

#[job(ports = ["web:8080"])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
