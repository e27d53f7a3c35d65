// A hook is not generic.

use chutes::{JobContext, JobError, on_shutdown};

#[on_shutdown]
async fn clean<T>(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
