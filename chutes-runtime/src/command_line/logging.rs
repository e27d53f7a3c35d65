//! The `tracing` events of a job go to standard error, and from there into the log of the run.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Shows events as `RUST_LOG` asks for, by default from `info` on. A program that has its own
/// subscriber keeps it.
pub(super) fn start() {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // The text is kept in a file, where colours are noise.
        .with_ansi(false);
    let _ = subscriber.try_init();
}
