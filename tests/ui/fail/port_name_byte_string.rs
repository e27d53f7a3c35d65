// A port name is a string literal, not a byte string.

use chutes::{JobContext, JobError, job};

#[job(ports = [http(b"web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
