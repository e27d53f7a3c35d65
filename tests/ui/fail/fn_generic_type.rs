// A job has no type parameters.

use chutes::{JobContext, JobError, job};

#[job]
async fn train<T>(_ctx: JobContext, _data: T) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
