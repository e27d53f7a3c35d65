// The only parameter is the context, not the data.

use chutes::{JobError, job};

#[job]
async fn train(_data: u32) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
