//! The benchmarks. `bench-macro` is here: what `#[job]` costs the compiler and the start of a binary.
//!
//! It compares everything in crates that are generated below `target/`. What is compared is measured in
//! turns, here as in the others, so that other load on the machine affects all alike.

mod access;
pub(crate) mod checksums;
mod compile;
pub(crate) mod container;
mod contest;
mod crates;
pub(crate) mod download;
mod engine;
pub(crate) mod files;
pub(crate) mod front;
mod generated;
mod jobs;
mod material;
pub(crate) mod run;
pub(crate) mod runs;
mod sample;
mod size;
pub(crate) mod ssh;
mod start;
mod table;
pub(crate) mod upload;

use anyhow::Result;

use self::crates::Crates;

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Functions in each crate
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    jobs: u32,
    /// Rounds of compilation
    #[arg(long, value_name = "NUMBER", default_value_t = 9)]
    rounds: u32,
    /// Starts of each binary
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    starts: u32,
    /// Give each function types of its own, not the same two to all
    #[arg(long)]
    own_types: bool,
}

/// Generates the crates and measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let crates = Crates::generate(arguments.jobs, arguments.own_types)?;
    let types = if arguments.own_types { "types of its own each" } else { "the same two types" };
    println!("{} functions with {types}", arguments.jobs);
    compile::measure(&crates, arguments.rounds)?;
    size::measure(&crates, arguments.jobs)?;
    start::measure(&crates, arguments.starts)
}
