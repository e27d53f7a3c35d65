// The parameter of a shutdown hook is the context.

use chutes::{JobContext, JobError, on_shutdown};

#[on_shutdown]
async fn clean(_ctx: &JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
