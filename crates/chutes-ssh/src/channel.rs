//! One session channel of a client, from its request to its exit.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chutes_process::short_signal_name;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use rustix::process::Signal;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::backend::{
    CONTROL_QUEUE, Control, SessionBackend, SessionExit, SessionRequest, StartedSession,
};
use super::flow_control::FlowControl;
use super::pump::{Input, Output};

/// The number of the extended data stream that is standard error.
const STDERR: u32 = 1;

/// The exit status of a session that could not be started, or whose exit is not known.
const LOST_STATUS: u32 = 255;

/// An open session channel.
pub(super) struct SessionChannel {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    handle: Handle,
    backend: Arc<dyn SessionBackend>,
    input: Input,
    /// Counts as one of the sessions of its connection.
    _permit: OwnedSemaphorePermit,
}

impl SessionChannel {
    pub(super) fn new(
        channel: Channel<Msg>,
        handle: Handle,
        backend: Arc<dyn SessionBackend>,
        flow: Arc<FlowControl>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (read, write) = channel.split();
        Self { read, write, handle, backend, input: Input::new(flow), _permit: permit }
    }

    /// Serves the session until it ends or the client is gone.
    pub(super) async fn run(mut self, request: oneshot::Receiver<SessionRequest>) {
        let controls = ControlQueue::default();
        let started = {
            let backend = Arc::clone(&self.backend);
            let starting = async {
                let request = request.await.ok()?;
                let has_terminal = request.terminal.is_some();
                Some((backend.start(request).await, has_terminal))
            };
            tokio::select! {
                started = starting => started,
                () = receive(&mut self.read, &self.input, &controls) => None,
            }
        };
        match started {
            Some((Ok(started), has_terminal)) => self.serve(started, has_terminal, &controls).await,
            Some((Err(error), _)) => {
                let exit = SessionExit::Lost(format!("cannot start this: {error}"));
                self.send_exit(exit).await;
            }
            None => {}
        }
        // The client may have closed the channel first.
        let _ = self.write.close().await;
    }

    async fn serve(
        &mut self,
        started: StartedSession,
        has_terminal: bool,
        controls: &ControlQueue,
    ) {
        let StartedSession { stdin, stdout, stderr, control, exit } = started;
        let (has_ended, ended) = watch::channel(false);
        let (write, input) = (&self.write, &self.input);
        let outputs = async {
            let stdout = async {
                let output = Output { write, extended: None };
                if has_terminal {
                    output.pump_terminal(stdout, ended).await;
                } else {
                    output.pump(stdout).await;
                }
            };
            let stderr = async {
                if let Some(stderr) = stderr {
                    Output { write, extended: Some(STDERR) }.pump(stderr).await;
                }
            };
            tokio::join!(stdout, stderr);
        };
        let exit = async {
            let exit = exit.await;
            has_ended.send_replace(true);
            exit.unwrap_or_else(|_| SessionExit::Lost("the session was given up".into()))
        };
        let exit = tokio::select! {
            ((), exit) = async { tokio::join!(outputs, exit) } => Some(exit),
            () = receive(&mut self.read, input, controls) => None,
            never = input.feed(stdin) => match never {},
            never = controls.forward(&control) => match never {},
        };
        match exit {
            Some(exit) => self.send_exit(exit).await,
            // If the queue is full, dropping `control` has the same effect.
            None => drop(control.try_send(Control::HangUp)),
        }
    }

    /// Sends the exit to the client, unless the client is gone.
    async fn send_exit(&mut self, exit: SessionExit) {
        let sending = async {
            let (write, id) = (&self.write, self.write.id());
            if let SessionExit::Lost(reason) = &exit {
                let stderr = Output { write, extended: Some(STDERR) };
                stderr.send(format!("chutes: {reason}\r\n").as_bytes()).await;
            }
            // All of these fail only when the connection is gone.
            let _ = write.eof().await;
            let _ = match exit {
                SessionExit::Exited(status) => self.handle.exit_status_request(id, status).await,
                SessionExit::Signalled { name, core_dumped } => {
                    // On the wire there is only the name, also for the signals that the library has a value for.
                    let signal = Sig::Custom(name);
                    self.handle
                        .exit_signal_request(id, signal, core_dumped, String::new(), String::new())
                        .await
                }
                SessionExit::Lost(_) => self.handle.exit_status_request(id, LOST_STATUS).await,
            };
        };
        let discarded = ControlQueue::default();
        tokio::select! {
            () = sending => {}
            () = receive(&mut self.read, &self.input, &discarded) => {}
        }
    }
}

/// Receives all messages of the client from the library, until the client is gone.
async fn receive(read: &mut ChannelReadHalf, input: &Input, controls: &ControlQueue) {
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => input.push(data),
            ChannelMsg::Eof => input.end(),
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                let pixels = (to_u16(pix_width), to_u16(pix_height));
                let (columns, rows) = (to_u16(col_width), to_u16(row_height));
                let (done, is_done) = oneshot::channel();
                controls.push(Control::Resize { columns, rows, pixels, done });
                input.hold_until(is_done);
            }
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = requested_signal(&signal) {
                    controls.push(Control::Signal(signal));
                }
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Requests of the client that were not passed to the session yet.
#[derive(Default)]
struct ControlQueue {
    waiting: Mutex<VecDeque<Control>>,
    change: Notify,
}

impl ControlQueue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Control>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request. A slow session gets only the last of several sizes, and no more signals than fit.
    fn push(&self, control: Control) {
        let mut waiting = self.waiting();
        let is_resize = |control: &Control| matches!(control, Control::Resize { .. });
        if is_resize(&control) && waiting.back().is_some_and(is_resize) {
            waiting.pop_back();
        }
        if waiting.len() < CONTROL_QUEUE {
            waiting.push_back(control);
        }
        self.change.notify_one();
    }

    async fn forward(&self, control: &mpsc::Sender<Control>) -> Infallible {
        loop {
            let changed = self.change.notified();
            let Some(next) = self.waiting().pop_front() else {
                changed.await;
                continue;
            };
            if control.send(next).await.is_err() {
                // The session has ended, so further requests have no effect.
                return std::future::pending().await;
            }
        }
    }
}

/// A size in columns, rows or pixels, cut off at the largest value.
pub(super) fn to_u16(size: u32) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

/// The signal that a client asks for; `None` for one that it may not send. It may send the signals of RFC 4254,
/// section 6.10.
fn requested_signal(signal: &Sig) -> Option<Signal> {
    Some(match signal {
        Sig::ABRT => Signal::ABORT,
        Sig::ALRM => Signal::ALARM,
        Sig::FPE => Signal::FPE,
        Sig::HUP => Signal::HUP,
        Sig::ILL => Signal::ILL,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::PIPE => Signal::PIPE,
        Sig::QUIT => Signal::QUIT,
        Sig::SEGV => Signal::SEGV,
        Sig::TERM => Signal::TERM,
        Sig::USR1 => Signal::USR1,
        // The library has no value for the last one of the list.
        Sig::Custom(name) if *name == short_signal_name(Signal::USR2.as_raw()) => Signal::USR2,
        Sig::Custom(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_a_client_may_send() {
        for (signal, name) in [
            (Sig::ABRT, "ABRT"),
            (Sig::ALRM, "ALRM"),
            (Sig::FPE, "FPE"),
            (Sig::HUP, "HUP"),
            (Sig::ILL, "ILL"),
            (Sig::INT, "INT"),
            (Sig::KILL, "KILL"),
            (Sig::PIPE, "PIPE"),
            (Sig::QUIT, "QUIT"),
            (Sig::SEGV, "SEGV"),
            (Sig::TERM, "TERM"),
            (Sig::USR1, "USR1"),
            (Sig::Custom("USR2".into()), "USR2"),
        ] {
            let requested = requested_signal(&signal).map(Signal::as_raw);
            assert_eq!(requested.map(short_signal_name).as_deref(), Some(name));
        }
        for unknown in ["", "SIGINT", "int", "STOP", "INFO@openssh.com"] {
            assert_eq!(requested_signal(&Sig::Custom(unknown.into())), None, "{unknown}");
        }
    }
}
