//! Signals that this process ignores, which everything that it starts would ignore as well.
//!
//! A supervisor that a script has started in the background ignores SIGINT, and one under `nohup` SIGHUP.
//! A shell that has inherited that cannot be interrupted by Ctrl-C. A signal with a handler, however, is back
//! at its default in whatever is started. So handlers are installed that do nothing: for this process
//! that is the same as before.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that matter. SIGTTIN and SIGTTOU are not among them: a handler would let a background
/// process that reads from or writes to its terminal try for ever, and shells set them by themselves.
const SIGNALS: [Signal; 5] = [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::TSTP];

/// Lets what is started from now on have the defaults. To be called within a runtime, and after whoever wants
/// to know what was ignored at the beginning has looked.
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
