//! Jobs that end in every possible way.

use std::time::Duration;

use chutes::prelude::*;
use serde::{Deserialize, Serialize};

/// An error with causes.
#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the settings are wrong")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Settings {
    /// How often.
    epochs: u32,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    label: String,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Report {
    epochs: u32,
    rate: f64,
    label: String,
}

/// Returns what it was given.
///
/// This paragraph is not part of the summary.
#[job(timeout = "1h", ports = [http("web", 8080)], ssh = true)]
async fn echo(ctx: JobContext, data: Settings) -> Result<Report, JobError> {
    ctx.port("web")?.bind_tcp().await?;
    println!("echo on standard output");
    eprintln!("echo on standard error");
    Ok(Report { epochs: data.epochs, rate: data.rate.unwrap_or(0.5), label: data.label })
}

/// Writes one output, then returns an error that has a cause.
#[job]
async fn fails(ctx: JobContext) -> Result<(), Outer> {
    write_partial(&ctx);
    "ten".parse::<u32>().map(drop).map_err(Outer)
}

/// Writes one output, then panics.
#[job]
async fn panics(ctx: JobContext) -> Result<(), JobError> {
    write_partial(&ctx);
    panic!("the disk is made of cheese");
}

/// Data that cannot even be decoded.
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it explodes while it is decoded");
    }
}

/// Never starts, because its data panics.
#[job]
async fn panics_in_its_data(_ctx: JobContext, _data: Explosive) -> Result<(), JobError> {
    Ok(())
}

/// An error that cannot even be shown.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("it explodes while it is shown");
    }
}

impl std::error::Error for Unspeakable {}

/// Writes one output, then returns an error that panics when it is shown.
#[job]
async fn panics_in_its_error(ctx: JobContext) -> Result<(), Unspeakable> {
    write_partial(&ctx);
    Err(Unspeakable)
}

/// Returns a number that JSON cannot hold.
#[job]
async fn not_finite(ctx: JobContext) -> Result<Report, JobError> {
    write_partial(&ctx);
    Ok(Report { epochs: 1, rate: f64::NAN, label: String::new() })
}

/// Works until it is cancelled, then returns its progress.
#[job]
async fn stops_when_asked(ctx: JobContext) -> Result<&'static str, JobError> {
    write_partial(&ctx);
    println!("ready");
    ctx.cancellation().cancelled().await;
    std::fs::write(ctx.output_dir().join("last.txt"), "last")?;
    Ok("stopped in time")
}

/// Never looks at its cancellation, but yields.
#[job]
async fn ignores_cancellation(ctx: JobContext) -> Result<(), JobError> {
    write_partial(&ctx);
    println!("ready");
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Neither looks at its cancellation nor yields.
#[job]
async fn never_yields(ctx: JobContext) -> Result<(), JobError> {
    write_partial(&ctx);
    println!("ready");
    loop {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends only when a file named `go` is in its scratch directory, and ignores a cancel.
#[job]
async fn waits_for_a_file(ctx: JobContext) -> Result<(), JobError> {
    println!("ready");
    while !ctx.scratch_dir().join("go").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Returns an error when it is cancelled.
#[job]
async fn fails_when_asked(ctx: JobContext) -> Result<(), JobError> {
    println!("ready");
    ctx.cancellation().cancelled().await;
    Err("cannot save the model".into())
}

/// Reports its progress.
#[job]
async fn reports_progress(ctx: JobContext) -> Result<(), JobError> {
    for step in 0..=100 {
        ctx.progress(f64::from(step) / 100.0, format!("step {step}"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

fn write_partial(ctx: &JobContext) {
    std::fs::write(ctx.output_dir().join("partial.txt"), "partial").unwrap_or_default();
}
