// One number for three ports: an error for the second and for the third.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("one", 8080), tcp("two", 8080), tcp("three", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
