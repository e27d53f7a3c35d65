// The data of a job is owned, in lists as well.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext, _data: Vec<&str>) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
