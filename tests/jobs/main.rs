//! A job binary with one job for each way in which a run can go; the end-to-end tests run it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what jobs print is tested, too")]

mod access;
mod endings;
mod files;
mod hooks;
mod hostile;
mod security;
mod slow;
mod ssh;
mod streams;
mod texts;
mod uploads;

// The jobs of another crate are registered only if the crate is linked.
use chutes_more_jobs as _;

fn main() -> std::process::ExitCode {
    chutes::main()
}
