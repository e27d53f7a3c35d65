// A port has a name and a number in parentheses.

use chutes::{JobContext, JobError, job};

#[job(ports = [http])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
