// The data of a job is read, not written.

use chutes::{JobContext, JobError, job};

#[derive(serde::Serialize)]
struct Data;

#[job]
async fn train(_ctx: JobContext, _data: Data) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
