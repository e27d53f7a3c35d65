// A port without HTTP has a name and a number, and nothing else.

use chutes::{JobContext, JobError, job};

#[job(ports = [tcp("db", 8080, 1)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
