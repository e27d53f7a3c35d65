// A job is not a `const fn`: one error, although it is not asynchronous either.

use chutes::{JobContext, JobError, job};

#[job]
const fn train(_ctx: &JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
