// A job takes a context.

use chutes::{JobError, job};

#[job]
async fn train() -> Result<(), JobError> {
    Ok(())
}

fn main() {}
