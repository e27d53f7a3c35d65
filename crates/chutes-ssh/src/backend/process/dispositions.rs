//! Resetting signals that this process ignores, because child processes would inherit that.
//!
//! A supervisor that a script has started in the background ignores SIGINT, and one under `nohup` SIGHUP. A
//! shell that has inherited this cannot be interrupted by Ctrl-C. A signal with a handler, however, has its
//! default disposition in a new program. So handlers are installed that do nothing: for this process, that
//! has the effect of ignoring the signal.

use std::io;

use chutes_process::IgnoredSignals;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that are reset. SIGTTIN and SIGTTOU are not among them: with a handler, a background process
/// that reads from or writes to its terminal would retry for ever, and shells set them by themselves.
const SIGNALS: [Signal; 5] = [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::TSTP];

/// Gives programs that are started from now on the default dispositions. Must be called within a runtime,
/// and after all code that reads which signals were ignored at the beginning.
pub(super) fn restore() -> io::Result<()> {
    let all = IgnoredSignals::read();
    for ignored in SIGNALS.into_iter().filter(|signal| all.contains(*signal)) {
        // The handler stays when this is dropped.
        drop(signal(SignalKind::from_raw(ignored.as_raw()))?);
    }
    Ok(())
}
