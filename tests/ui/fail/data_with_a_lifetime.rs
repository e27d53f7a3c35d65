// The data of a job is owned, also by its own lifetime.

use chutes::{JobContext, JobError, job};

#[derive(serde::Deserialize)]
struct Data<'a> {
    _name: &'a str,
}

#[job]
async fn train(_ctx: JobContext, _data: Data<'_>) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
