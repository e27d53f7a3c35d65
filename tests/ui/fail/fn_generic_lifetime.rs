// A job has no lifetime parameters.

use chutes::{JobContext, JobError, job};

#[job]
async fn train<'a>(_ctx: JobContext, _data: &'a str) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
