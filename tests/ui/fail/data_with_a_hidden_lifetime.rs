// The data of a job is owned; its lifetime is not written.

use chutes::{JobContext, JobError, job};

#[derive(serde::Deserialize)]
struct Data<'a> {
    _name: &'a str,
}

#[job]
async fn train(_ctx: JobContext, _data: Data) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
