// The name of an argument is not in quotes.

use chutes::{JobContext, JobError, job};

#[job("timeout" = 3_600)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
