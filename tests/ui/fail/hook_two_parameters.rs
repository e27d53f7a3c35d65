// A hook takes a context, and nothing else.

use chutes::{JobContext, JobError, on_startup};

#[on_startup]
async fn prepare(_ctx: JobContext, _data: u32) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
