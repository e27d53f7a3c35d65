//! Writes the `tracing` events of a job to standard error, from where they get into the log of the run.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Installs a subscriber with the filter of `RUST_LOG`, by default `info`. A program that has its own subscriber
/// keeps it. Returns whether the program had none.
pub(super) fn start() -> bool {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // The text is kept in a file, where colour codes are noise.
        .with_ansi(false);
    subscriber.try_init().is_ok()
}
