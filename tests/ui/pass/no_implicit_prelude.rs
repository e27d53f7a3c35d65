// Nothing of the prelude is in scope.

#![no_implicit_prelude]

use ::chutes::{JobContext, JobError, job, on_shutdown, on_startup};

#[derive(::serde::Deserialize)]
struct Data {
    number: u32,
}

#[derive(::serde::Serialize)]
struct Report {
    number: u32,
}

#[job(
    timeout = "2h",
    ports = [http("web", 8080), tcp("metrics", 9090), udp("stats", 9091)],
    upload = false,
    ssh = true
)]
async fn with_data(
    _ctx: JobContext,
    data: Data,
) -> ::core::result::Result<Report, ::std::string::String> {
    ::core::result::Result::Ok(Report { number: data.number })
}

#[job]
async fn without_data(_ctx: JobContext) -> ::core::result::Result<(), JobError> {
    ::core::result::Result::Ok(())
}

#[on_startup]
async fn prepare(_ctx: JobContext) -> ::core::result::Result<u32, JobError> {
    ::core::result::Result::Ok(1)
}

#[on_shutdown(priority = -1)]
async fn clean() -> ::core::result::Result<(), JobError> {
    ::core::result::Result::Ok(())
}

fn main() {}
