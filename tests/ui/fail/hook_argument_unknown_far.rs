// A hook has no timeout.

use chutes::{JobContext, JobError, on_shutdown};

#[on_shutdown(timeout = 60)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
