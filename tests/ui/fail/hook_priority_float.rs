// A priority has no fraction.

use chutes::{JobContext, JobError, on_shutdown};

#[on_shutdown(priority = 1.5)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
