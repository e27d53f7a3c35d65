// A port without a name and a number.

use chutes::{JobContext, JobError, job};

#[job(ports = [http()])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
