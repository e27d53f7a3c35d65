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
mod trains;
mod uploads;

// The jobs of another crate are registered only if the crate is linked.
use chutes_more_jobs as _;

/// Chooses another form of `main`, in the supervisor and in the worker.
const MAIN: &str = "TEST_MAIN";

fn main() -> std::process::ExitCode {
    match std::env::var(MAIN).as_deref() {
        Ok("async") => within_a_runtime(),
        Ok("subscriber") => with_a_subscriber(),
        Ok("parses") if chutes::is_worker() => chutes::main(),
        Ok("parses" | "parses_always") => parses_arguments(),
        _ => chutes::main(),
    }
}

/// What people write who know tokio.
#[tokio::main]
async fn within_a_runtime() -> std::process::ExitCode {
    chutes::main()
}

/// Has a subscriber for `tracing` of its own in the worker.
fn with_a_subscriber() -> std::process::ExitCode {
    if chutes::is_worker() {
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
        subscriber.without_time().with_target(false).init();
    }
    chutes::main()
}

/// Has arguments of its own, of which it knows a few.
fn parses_arguments() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("run" | "list") => chutes::main(),
        other => {
            eprintln!("unknown argument {other:?}");
            std::process::ExitCode::from(2)
        }
    }
}
