// A job is an `async fn`, not a function that returns a future.

use chutes::{JobContext, JobError, job};

#[job]
fn train(_ctx: JobContext) -> impl Future<Output = Result<(), JobError>> {
    async { Ok(()) }
}

fn main() {}
