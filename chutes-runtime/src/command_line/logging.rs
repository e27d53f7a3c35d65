//! Writes the `tracing` events of a job to standard error, from where they get into the log of the run.
//!
//! The subscriber is set before any code of the job runs. It cannot wait until the job has had the chance to set one of
//! its own: a process can have none until then, and events that come in the meantime would be lost. To set ours from
//! `Subscriber::register_callsite`, which is called for the first event of each callsite, is not enough. While one
//! thread registers a callsite, another one at the same callsite does not wait, but asks the global default, which is
//! still none, and drops its event. For the records of `log` there is no such call at all.

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
