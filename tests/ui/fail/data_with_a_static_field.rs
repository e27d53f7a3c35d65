// The data of a job is read from a text that does not live as long as the program.

use chutes::{JobContext, JobError, job};

#[derive(serde::Deserialize)]
struct Data {
    _name: &'static str,
}

#[job]
async fn train(_ctx: JobContext, _data: Data) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
