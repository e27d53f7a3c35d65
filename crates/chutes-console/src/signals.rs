//! Signals that ask a run to stop, and those that would end its supervisor without an outcome.

use std::io;
use std::time::{Duration, Instant};

use chutes_supervisor::{CancelHandle, IgnoredSignals, REAL_TIME_SIGNALS};
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end or stop a process by default, and that ask nothing of a run: batch systems send SIGUSR1 and
/// SIGUSR2, `ulimit -f` sends SIGXFSZ, with which the write fails as it does on a full disk. Ctrl-Z (SIGTSTP) would stop
/// the supervisor alone, while the job went on without limits.
const WITHOUT_EFFECT: [Number; 10] = [
    Number::USR1,
    Number::USR2,
    Number::ALARM,
    Number::VTALARM,
    Number::PROF,
    Number::IO,
    Number::POWER,
    Number::STKFLT,
    Number::XFSZ,
    Number::TSTP,
];

/// Signals that come within this time of another are the same request: `timeout`, a terminal and a process group may
/// all send one for the same reason.
const SAME_REQUEST: Duration = Duration::from_millis(150);

/// The signals that cancel a run.
///
/// SIGINT, SIGTERM and SIGQUIT do, also in process 1, which ignores them by default. SIGHUP (a closed terminal) does,
/// unless the program that started the run (such as `nohup`) has set it to be ignored; and SIGXCPU does, with which
/// the system says that the processor time of `ulimit -t` is used up.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    processor_time: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Installs the handlers; must be called within a runtime. A signal that arrives before
    /// [`cancel`](Self::cancel) is polled is kept.
    ///
    /// No other signal ends this process, unless it means a fault of the process itself.
    pub(crate) fn listen() -> io::Result<Self> {
        // Handlers replace the dispositions, so these are read first.
        let hangup_is_ignored = IgnoredSignals::read().contains(Number::HUP);
        take_effect()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            processor_time: signal(SignalKind::from_raw(Number::XCPU.as_raw()))?,
            hangup: if hangup_is_ignored { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Cancels the run at each request, more urgently each time.
    pub(crate) async fn cancel(mut self, cancel: CancelHandle) {
        let mut requests = Requests::default();
        loop {
            let hung_up = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let is_repeated = tokio::select! {
                _ = self.interrupt.recv() => true,
                _ = self.terminate.recv() => true,
                _ = self.quit.recv() => true,
                // Several processes may report the same closed terminal, so SIGHUP counts only once.
                _ = hung_up => false,
                // It comes again each second.
                _ = self.processor_time.recv() => false,
            };
            if !requests.is_new(Instant::now()) {
                continue;
            }
            if is_repeated { cancel.cancel_harder() } else { cancel.cancel() }
        }
    }
}

/// When the last request came.
#[derive(Default)]
struct Requests(Option<Instant>);

impl Requests {
    /// Whether a signal at this moment is a request of its own.
    fn is_new(&mut self, now: Instant) -> bool {
        let is_new = self.0.is_none_or(|last| now.duration_since(last) >= SAME_REQUEST);
        if is_new {
            self.0 = Some(now);
        }
        is_new
    }
}

/// Installs handlers that do nothing. A signal that is ignored would be ignored by all programs that this process
/// starts; a signal with a handler has its default disposition in them.
fn take_effect() -> io::Result<()> {
    for number in WITHOUT_EFFECT {
        // The handler stays when this is dropped.
        drop(signal(SignalKind::from_raw(number.as_raw()))?);
    }
    for number in REAL_TIME_SIGNALS {
        // Some C libraries keep more of them for themselves.
        drop(signal(SignalKind::from_raw(number)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_at_the_same_time_are_one_request() {
        let begin = Instant::now();
        let mut requests = Requests::default();
        let pauses = [(0, true), (1, false), (148, false), (1, true), (400, true), (0, false)];
        let mut now = begin;
        for (pause, expected) in pauses {
            now += Duration::from_millis(pause);
            assert_eq!(requests.is_new(now), expected, "{pause} ms after the last one");
        }
    }
}
