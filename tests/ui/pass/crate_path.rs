// chutes under another name, so that nothing in the expansion may name `::chutes`.

mod renamed {
    pub use chutes::*;
}

mod deeper {
    pub mod again {
        pub use chutes::*;
    }
}

use renamed::{JobContext, JobError, job, on_shutdown, on_startup};

#[job(crate = crate::renamed)]
async fn by_module(_ctx: JobContext, data: u32) -> Result<u32, JobError> {
    Ok(data)
}

#[job(timeout = 60, crate = crate::deeper::again, ports = [http("web", 8080)])]
async fn by_nested_module(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(crate = ::chutes)]
async fn by_crate(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_startup(crate = crate::renamed, priority = 1)]
async fn prepare(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown(priority = 1, crate = crate::renamed)]
async fn clean() -> Result<(), JobError> {
    Ok(())
}

mod inner {
    #[crate::renamed::job(crate = crate::renamed)]
    async fn in_a_module(_ctx: crate::renamed::JobContext) -> Result<(), crate::JobError> {
        Ok(())
    }
}

fn main() {}
