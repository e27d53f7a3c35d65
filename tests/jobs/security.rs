//! A job with every kind of access.

use chutes::{JobContext, JobError, job};

/// Can be logged in to until it is cancelled.
#[job(ports = [http("web", 8080)], ssh = true)]
async fn stands_open(ctx: JobContext) -> Result<(), JobError> {
    println!("it stands open");
    ctx.cancellation().cancelled().await;
    Ok(())
}
