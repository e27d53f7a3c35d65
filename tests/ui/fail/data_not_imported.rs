// The same for data.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext, _data: Data) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
