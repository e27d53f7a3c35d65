// A port with a bad name still takes its number.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("Web", 8080), tcp("data", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
