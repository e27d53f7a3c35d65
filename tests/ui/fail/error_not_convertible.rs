// The error of a job becomes a `JobError`.

use chutes::{JobContext, job};

struct Failure;

#[job]
async fn train(_ctx: JobContext) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
