//! Resetting signals that this process ignores, because child processes would inherit that.
//!
//! A supervisor that a script has started in the background ignores SIGINT, and one under `nohup` SIGHUP. A
//! shell that has inherited this cannot be interrupted by Ctrl-C. A signal with a handler, however, has its
//! default disposition in a new program. So handlers are installed that do nothing: for this process, that
//! has the effect of ignoring the signal.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that are reset. SIGTTIN and SIGTTOU are not among them: with a handler, a background process
/// that reads from or writes to its terminal would retry for ever, and shells set them by themselves.
const SIGNALS: [Signal; 5] = [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::TSTP];

/// Gives programs that are started from now on the default dispositions. Must be called within a runtime,
/// and after all code that reads which signals were ignored at the beginning.
pub(super) fn restore() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for ignored in SIGNALS.into_iter().filter(|signal| is_ignored(*signal, &status)) {
        // The handler stays when this is dropped.
        drop(signal(SignalKind::from_raw(ignored.as_raw()))?);
    }
    Ok(())
}

fn is_ignored(signal: Signal, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals() {
        for (status, signal, expected) in [
            ("SigIgn:\t0000000000000002\n", Signal::INT, true),
            ("SigIgn:\t0000000000000002\n", Signal::HUP, false),
            ("Name:\tx\nSigIgn:\t0000000000080001\nSigCgt:\tff\n", Signal::HUP, true),
            ("Name:\tx\nSigIgn:\t0000000000080001\nSigCgt:\tff\n", Signal::TSTP, true),
            ("SigCgt:\tffffffffffffffff\n", Signal::INT, false),
            ("SigIgn:\tnonsense\n", Signal::INT, false),
            ("", Signal::INT, false),
        ] {
            assert_eq!(is_ignored(signal, status), expected, "{signal:?} in {status:?}");
        }
    }
}
