// Only a port that speaks HTTP can be asked whether it is ready.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("db", 8080, ready = "/health")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
