// No arguments, in each way of writing that.

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

#[job]
async fn no_parentheses(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job()]
async fn parentheses(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job {}]
async fn braces(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job[]]
async fn brackets(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(ports = [])]
async fn no_ports(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_startup()]
async fn prepare() -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown()]
async fn clean() -> Result<(), JobError> {
    Ok(())
}

fn main() {}
