// A priority is not a text.

use chutes::{JobContext, JobError, on_startup};

#[on_startup(priority = "high")]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
