// The first parameter is the context.

use chutes::{JobError, job};

#[job]
async fn train(_ctx: &str) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
