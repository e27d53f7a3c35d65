// A slip in the only argument of a hook.

use chutes::{JobContext, JobError, on_startup};

#[on_startup(priorty = 10)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
