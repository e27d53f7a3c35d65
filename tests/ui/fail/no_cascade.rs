// The wrong argument is the only error: the job can still be called.

use chutes::{JobContext, JobError, job};

#[job(timout = 3_600)]
async fn train(_ctx: JobContext, data: u32) -> Result<u32, JobError> {
    Ok(data)
}

async fn twice(ctx: JobContext) -> Result<u32, JobError> {
    let first = train(ctx.clone(), 1).await?;
    let second = train(ctx, 2).await?;
    Ok(first + second)
}

fn main() {
    let _ = twice;
}
