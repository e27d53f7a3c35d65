// A hook has one priority.

use chutes::{JobContext, JobError, on_startup};

#[on_startup(priority = 10, priority = 20)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
