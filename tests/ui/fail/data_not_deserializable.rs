// The data of a job is read from JSON.

use chutes::{JobContext, JobError, job};

struct Data;

#[job]
async fn train(_ctx: JobContext, _data: Data) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
