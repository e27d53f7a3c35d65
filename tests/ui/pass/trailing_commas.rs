// A comma after the last argument, port, value and parameter.

use chutes::{JobContext, JobError, job, on_startup};

#[job(timeout = 60)]
async fn after_the_argument(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[rustfmt::skip]
#[job(ports = [http("web", 8080,), http("api", 8081, ready = "/",), tcp("metrics", 9090,),], ssh = true,)]
async fn everywhere(_ctx: JobContext, _data: (u32,),) -> Result<(u32,), JobError,> {
    Ok((1,))
}

#[on_startup(priority = 10)]
async fn prepare() -> Result<(), JobError> {
    Ok(())
}

fn main() {}
