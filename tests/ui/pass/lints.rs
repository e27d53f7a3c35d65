// A crate with strict lints: the expansion adds no warning, and no unsafe code.

//! The documentation of this crate.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unused,
    unused_qualifications,
    unused_results,
    unreachable_pub,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    let_underscore_drop,
    non_ascii_idents,
    elided_lifetimes_in_paths,
    absolute_paths_not_starting_with_crate,
    clippy::all,
    clippy::pedantic
)]

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

/// What the job works on.
#[derive(Debug, serde::Deserialize)]
pub struct Data {
    /// A number.
    pub number: u32,
}

/// What the job found.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// A number.
    pub number: u32,
}

/// Trains a model.
///
/// # Errors
///
/// Never.
#[job(
    timeout = "2h",
    ports = [http("web", 8080), tcp("metrics", 9090), udp("stats", 9091)],
    ssh = true
)]
pub async fn train(ctx: JobContext, data: Data) -> Result<Report, JobError> {
    drop(ctx);
    Ok(Report { number: data.number })
}

#[job]
async fn without_data(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(upload = false)]
async fn with_option(_ctx: JobContext, data: Option<String>) -> Result<Option<String>, String> {
    Ok(data)
}

#[on_startup(priority = 10)]
async fn prepare(_ctx: JobContext) -> Result<u32, JobError> {
    Ok(1)
}

#[on_startup]
async fn prepare_without_parameter() -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown]
async fn clean(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown(priority = -10)]
async fn clean_without_parameter() -> Result<(), JobError> {
    Ok(())
}

fn main() {}
