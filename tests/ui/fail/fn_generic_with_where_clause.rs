// Type parameters and a `where` clause are two mistakes.

use chutes::{JobContext, JobError, job};

#[job]
async fn train<T>(_ctx: JobContext, _data: T) -> Result<(), JobError>
where
    T: Send,
{
    Ok(())
}

fn main() {}
