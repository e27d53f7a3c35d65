//! Supervising the process of one session, from its start to its exit status.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chutes_process::Sessions;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::child::session_exit;
use super::super::{Control, SessionExit};
use super::terminal::SharedTerminal;

/// The signals to a process whose client is gone, and the time that it has after each.
const HANG_UP: [(Signal, Duration); 3] = [
    (Signal::HUP, Duration::from_secs(5)),
    (Signal::TERM, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(10)),
];

/// Supervises one process, which leads a process group. As long as its exit status is not taken, its pid
/// cannot be reused.
pub(super) struct SessionReaper {
    child: Child,
    group: Option<Pid>,
    terminal: Option<Arc<SharedTerminal>>,
    sessions: Sessions,
    _guard: mpsc::Sender<Infallible>,
}

impl SessionReaper {
    pub(super) fn new(
        child: Child,
        terminal: Option<Arc<SharedTerminal>>,
        sessions: Sessions,
        guard: mpsc::Sender<Infallible>,
    ) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self { child, group: pid.and_then(Pid::from_raw), terminal, sessions, _guard: guard }
    }

    /// Carries out the requests of the client until the process has ended.
    pub(super) async fn run(mut self, mut controls: mpsc::Receiver<Control>) -> SessionExit {
        let exit = loop {
            let control = tokio::select! {
                status = self.child.wait() => break session_exit(status),
                control = controls.recv() => control,
            };
            match control {
                Some(Control::Resize { columns, rows, pixels, done }) => {
                    if let Some(terminal) = &self.terminal {
                        terminal.resize(columns, rows, pixels);
                    }
                    drop(done);
                }
                Some(Control::Signal(signal)) => self.signal(signal),
                Some(Control::HangUp) | None => break self.hang_up().await,
            }
        };
        if let Some(group) = self.group {
            self.sessions.forget(group.as_raw_pid().unsigned_abs());
        }
        exit
    }

    /// Sends a signal to the group. Must be called before the exit status is taken.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The group may have ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Ends a process whose client is gone. Its descendants in other process groups get SIGHUP from the
    /// terminal, or go on, as is the purpose of `nohup`.
    async fn hang_up(&mut self) -> SessionExit {
        self.terminal = None;
        for (signal, time) in HANG_UP {
            self.signal(signal);
            // A stopped process handles the signal only after it is continued.
            self.signal(Signal::CONT);
            if let Ok(status) = timeout(time, self.child.wait()).await {
                return session_exit(status);
            }
        }
        SessionExit::Lost("its process was killed but is not gone".into())
    }
}
