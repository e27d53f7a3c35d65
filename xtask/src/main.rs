//! The tasks of this repository, started as `cargo xtask TASK`.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program for a terminal")]

mod bench;
mod bless;
mod command;
mod metadata;
#[cfg(test)]
mod pages;
mod picture;
mod readme;
mod sources;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of this repository
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Run every check, or only those that are named
    Test(test::Arguments),
    /// Record the messages of the compile-fail tests and all snapshots anew
    Bless,
    /// Record the picture of a run that `README.md` shows
    Picture,
    /// Measure what `#[job]` costs the compiler and the start of a binary
    BenchMacro(bench::Arguments),
    /// Measure what a run of an empty job costs
    BenchRun(bench::run::Arguments),
    /// Measure listing the runs of a folder
    BenchRuns(bench::runs::Arguments),
    /// Measure collecting files and delivering them to a directory, against `cp` and `sha256sum`
    BenchFiles(bench::files::Arguments),
    /// Measure collecting a large file in a debug and in a release build
    BenchChecksums(bench::checksums::Arguments),
    /// Measure delivering files to a server that speaks S3, against rclone and Python
    BenchUpload(bench::upload::Arguments),
    /// Measure a spec that runs an image, against `podman run`
    BenchContainer(bench::container::Arguments),
    /// Measure fetching input volumes, against curl
    BenchDownload(bench::download::Arguments),
    /// Measure the SSH server of a run, against OpenSSH's
    BenchSsh(bench::ssh::Arguments),
    /// Measure the TLS front of a run, against nginx
    BenchFront(bench::front::Arguments),
}

fn main() -> ExitCode {
    let ended = match Task::parse() {
        Task::Test(arguments) => test::run(&arguments),
        Task::Bless => bless::run_all(),
        Task::Picture => picture::record(),
        Task::BenchMacro(arguments) => bench::run(&arguments),
        Task::BenchRun(arguments) => bench::run::run(&arguments),
        Task::BenchRuns(arguments) => bench::runs::run(&arguments),
        Task::BenchFiles(arguments) => bench::files::run(&arguments),
        Task::BenchChecksums(arguments) => bench::checksums::run(&arguments),
        Task::BenchUpload(arguments) => bench::upload::run(&arguments),
        Task::BenchContainer(arguments) => bench::container::run(&arguments),
        Task::BenchDownload(arguments) => bench::download::run(&arguments),
        Task::BenchSsh(arguments) => bench::ssh::run(&arguments),
        Task::BenchFront(arguments) => bench::front::run(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
