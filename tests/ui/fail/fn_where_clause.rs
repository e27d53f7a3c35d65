// A job has no `where` clause.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext) -> Result<(), JobError>
where
    JobContext: Clone,
{
    Ok(())
}

fn main() {}
