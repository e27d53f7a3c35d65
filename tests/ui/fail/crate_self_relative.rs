// A path from `self` is relative, too.

use chutes::{JobContext, JobError, job};

#[job(crate = self::chutes)]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
