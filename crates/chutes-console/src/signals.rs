//! Signals that ask a run to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use chutes_supervisor::CancelHandle;

/// The signals that cancel a run: SIGINT and SIGTERM, also in process 1, which ignores them by default; and SIGHUP
/// (a closed terminal), unless the program that started the run (such as `nohup`) has set it to be ignored.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Installs the handlers; must be called within a runtime. A signal that arrives before
    /// [`cancel`](Self::cancel) is polled is kept.
    pub(crate) fn listen() -> io::Result<Self> {
        let hangup_is_ignored = hangup_is_ignored();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if hangup_is_ignored { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Cancels the run at each signal, more urgently each time.
    pub(crate) async fn cancel(mut self, cancel: CancelHandle) {
        loop {
            let hung_up = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.interrupt.recv() => cancel.cancel_harder(),
                _ = self.terminate.recv() => cancel.cancel_harder(),
                // Several processes may report the same closed terminal, so SIGHUP counts only once.
                _ = hung_up => cancel.cancel(),
            }
        }
    }
}

/// Whether SIGHUP is ignored. Must be called before a handler is installed, which would replace that disposition.
/// Only Linux reports it; elsewhere a run under `nohup` ends with its terminal.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
