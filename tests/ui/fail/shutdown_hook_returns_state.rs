// A shutdown hook returns no state.

use chutes::{JobError, on_shutdown};

#[on_shutdown]
async fn clean() -> Result<u32, JobError> {
    Ok(1)
}

fn main() {}
