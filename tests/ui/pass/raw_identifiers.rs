// Raw identifiers as names of jobs, parameters, types, fields and modules.

use chutes::{JobContext, JobError, job, on_startup};

mod r#mod {
    #[derive(serde::Deserialize)]
    pub struct r#Data {
        pub r#type: u32,
    }
}

#[allow(non_camel_case_types)]
#[derive(serde::Serialize)]
struct r#struct {
    r#fn: u32,
}

#[job(ports = [http("type", 8080)])]
async fn r#match(r#ref: JobContext, r#in: r#mod::r#Data) -> Result<r#struct, r#JobError> {
    drop(r#ref);
    Ok(r#struct { r#fn: r#in.r#type })
}

#[r#job(timeout = 60)]
async fn r#async(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn r#not_a_keyword(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn größe(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_startup]
async fn r#yield() -> Result<(), JobError> {
    Ok(())
}

fn main() {
    let _ = (r#match, r#async, not_a_keyword, r#größe, r#yield);
}
