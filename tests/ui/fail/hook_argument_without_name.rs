// The priority of a hook is given by name.

use chutes::{JobContext, JobError, on_startup};

#[on_startup(10)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
