// The function under the attribute stays an ordinary function.

use std::future::Future;

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

#[derive(Clone, serde::Deserialize)]
struct Data {
    number: u32,
}

#[job(timeout = 60)]
async fn train(_ctx: JobContext, data: Data) -> Result<u32, JobError> {
    Ok(data.number)
}

#[job]
async fn without_data(_ctx: JobContext) -> Result<u32, JobError> {
    Ok(1)
}

#[job]
async fn with_own_error(_ctx: JobContext) -> Result<u32, String> {
    Ok(1)
}

#[on_startup]
async fn prepare(_ctx: JobContext) -> Result<u32, JobError> {
    Ok(1)
}

#[on_shutdown]
async fn clean() -> Result<(), JobError> {
    Ok(())
}

// Awaited by another function, which is not a job.
async fn all(ctx: JobContext) -> Result<u32, JobError> {
    let first: u32 = train(ctx.clone(), Data { number: 1 }).await?;
    let second: u32 = without_data(ctx.clone()).await?;
    let third: Result<u32, String> = with_own_error(ctx.clone()).await;
    let state: u32 = prepare(ctx).await?;
    clean().await?;
    Ok(first + second + state + third.unwrap_or_default())
}

// Called by another job.
#[job]
async fn both(ctx: JobContext, data: Data) -> Result<(u32, u32), JobError> {
    Ok((train(ctx.clone(), data).await?, without_data(ctx).await?))
}

fn is_async_function<C, D, T, E, F>(_function: fn(C, D) -> F)
where
    F: Future<Output = Result<T, E>> + Send + 'static,
{
}

fn is_async_closure<T, E>(_function: impl AsyncFn(JobContext, Data) -> Result<T, E> + Copy) {}

fn main() {
    is_async_function::<JobContext, Data, u32, JobError, _>(train);
    is_async_function::<JobContext, Data, (u32, u32), JobError, _>(both);
    is_async_closure::<u32, JobError>(train);
    let function: fn(JobContext) -> _ = without_data;
    let _ = function as fn(JobContext) -> _;
    let _ = all;
}
