//! Looking after the process of one session, from its start to its exit status.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use chutes_process::{Sessions, signal_name};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::{Control, SessionEnd};
use super::terminal::SharedTerminal;

/// What a process gets whose client is gone, and how long it has after each.
const HANG_UP: [(Signal, Duration); 3] = [
    (Signal::HUP, Duration::from_secs(5)),
    (Signal::TERM, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(10)),
];

/// Looks after one process, which leads a process group. As long as its exit status is not taken, nobody else
/// can have its number.
pub(super) struct SessionReaper {
    child: Child,
    group: Option<Pid>,
    terminal: Option<Arc<SharedTerminal>>,
    sessions: Sessions,
    _member: mpsc::Sender<Infallible>,
}

impl SessionReaper {
    pub(super) fn new(
        child: Child,
        terminal: Option<Arc<SharedTerminal>>,
        sessions: Sessions,
        member: mpsc::Sender<Infallible>,
    ) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self { child, group: pid.and_then(Pid::from_raw), terminal, sessions, _member: member }
    }

    /// Does what the client wants until the process has ended.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Control>) -> SessionEnd {
        let end = loop {
            let order = tokio::select! {
                status = self.child.wait() => break end(status),
                order = orders.recv() => order,
            };
            match order {
                Some(Control::Resize { columns, rows, pixels, done }) => {
                    if let Some(terminal) = &self.terminal {
                        terminal.resize(columns, rows, pixels);
                    }
                    drop(done);
                }
                Some(Control::Signal(signal)) => self.signal(signal.number()),
                Some(Control::HangUp) | None => break self.hang_up().await,
            }
        };
        if let Some(group) = self.group {
            self.sessions.forget(group.as_raw_pid().unsigned_abs());
        }
        end
    }

    /// To be called only before the exit status is taken.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Ends a process whose client is gone. What it has started in process groups of its own hears of it
    /// from the terminal, or goes on: that is what `nohup` is for.
    async fn hang_up(&mut self) -> SessionEnd {
        self.terminal = None;
        for (signal, time) in HANG_UP {
            self.signal(signal);
            // One that is stopped hears of it only when it goes on.
            self.signal(Signal::CONT);
            if let Ok(status) = timeout(time, self.child.wait()).await {
                return end(status);
            }
        }
        SessionEnd::Lost("its process was killed but is not gone".into())
    }
}

fn end(status: io::Result<ExitStatus>) -> SessionEnd {
    let status = match status {
        Ok(status) => status,
        Err(error) => return SessionEnd::Lost(format!("its end is not known: {error}")),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => SessionEnd::Exited(code.unsigned_abs()),
        (None, Some(number)) => {
            let name = signal_name(number);
            let name = name.strip_prefix("SIG").unwrap_or(&name).to_owned();
            SessionEnd::Signalled { name, core_dumped: status.core_dumped() }
        }
        (None, None) => SessionEnd::Lost(format!("its end is strange: {status}")),
    }
}
