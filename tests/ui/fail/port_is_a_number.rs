// A port is more than its number.

use chutes::{JobContext, JobError, job};

#[job(ports = [8080])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
