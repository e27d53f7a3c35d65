// A hook is asynchronous.

use chutes::{JobContext, JobError, on_startup};

#[on_startup]
fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
