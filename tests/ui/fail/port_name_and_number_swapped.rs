// Name and number are in the wrong order.

use chutes::{JobContext, JobError, job};

#[job(ports = [http(8080, "web")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
