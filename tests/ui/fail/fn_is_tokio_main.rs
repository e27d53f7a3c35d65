// A job that is an entry point of tokio as well.

use chutes::{JobContext, JobError, job};

#[job]
#[tokio::main]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
