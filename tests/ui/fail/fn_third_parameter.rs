// A job takes a context and its data, and nothing else.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext, _data: u32, _more: u32) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
