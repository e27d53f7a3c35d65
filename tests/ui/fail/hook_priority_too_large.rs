// A priority fits into 32 bits.

use chutes::{JobContext, JobError, on_startup};

#[on_startup(priority = 3_000_000_000)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
