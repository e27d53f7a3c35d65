// A `Result` has two types.

use chutes::{JobContext, job};

#[job]
async fn train(_ctx: JobContext) -> Result<()> {
    Ok(())
}

fn main() {}
