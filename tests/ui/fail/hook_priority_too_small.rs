// A negative priority fits into 32 bits, too.

use chutes::{JobContext, JobError, on_shutdown};

#[on_shutdown(priority = -3_000_000_000)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
