//! `cargo xtask bench-checksums`: collecting a large file in a user's crate, built with and without optimisation.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::contest::{Contender, Cost, compete, measure, print, scratch};
use super::generated::{self, Profile};
use super::jobs::phase;
use super::material::{Folder, Material};
use crate::test::tools::provide_from_debian;

/// Prints a Markdown table to standard output. `docs/benchmarks.md` says how to read it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    rounds: u32,
    /// The size of the file, in MB
    #[arg(long, value_name = "MB", default_value_t = 200)]
    size: u32,
}

/// Builds the same job twice and measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_from_debian("openssl version", "openssl")?;
    let build = |profile| generated::build("bench-checksums", generated::DEFAULT, SOURCE, profile);
    let (debug, release) = (build(Profile::Dev)?, build(Profile::Release)?);
    let material = Material { count: 1, bytes: u64::from(arguments.size) * 1_000_000 };
    let source = material.write(&scratch("source")?)?;
    let file = source.path().join("0/0.bin");
    let mut openssl = Command::new("openssl");
    openssl.arg("sha256").arg(&file);
    let mut contenders = [
        Contender::new("`openssl sha256`", || measure(&openssl)),
        Contender::new("`run` in a release build, upload phase", || upload(&release, &file)),
        Contender::new("`run` in a debug build, upload phase", || upload(&debug, &file)),
    ];
    compete(&material.title(), &mut contenders, arguments.rounds)?;
    print(&material.title(), &contenders);
    Ok(())
}

/// The cost of a run whose job links the file into its outputs; the time is that of the phase in which they are
/// collected.
fn upload(binary: &Path, file: &Path) -> Result<Cost> {
    let runs = Folder::empty(scratch("runs")?)?;
    let directory = runs.path().join("run");
    let mut command = Command::new(binary);
    command.args(["run", "links_a_file", "--run-dir"]).arg(&directory);
    command.arg("--data").arg(serde_json::Value::from(file.to_string_lossy()).to_string());
    let cost = measure(&command)?;
    let wall = phase(&directory, "upload").context("the run has collected nothing")?;
    Ok(Cost { wall, ..cost })
}

const SOURCE: &str = "//! A job that has a file.

use std::path::PathBuf;

#[chutes::job]
async fn links_a_file(ctx: chutes::JobContext, from: PathBuf) -> Result<(), chutes::JobError> {
    Ok(std::fs::hard_link(from, ctx.output_dir().join(\"file\"))?)
}

fn main() -> std::process::ExitCode {
    chutes::main()
}
";
