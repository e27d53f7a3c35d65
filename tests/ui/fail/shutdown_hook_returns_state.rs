// Nobody is there to take what a shutdown hook returns.

use chutes::{JobError, on_shutdown};

#[on_shutdown]
async fn clean() -> Result<u32, JobError> {
    Ok(1)
}

fn main() {}
