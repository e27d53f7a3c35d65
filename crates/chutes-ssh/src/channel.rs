//! One session of a client: from what it wants to how that has ended.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::backend::{
    CONTROL_QUEUE, Control, SessionBackend, SessionEnd, SessionRequest, SessionSignal, Started,
};
use super::flow_control::FlowControl;
use super::pump::{Input, Output};

/// The extended data that is standard error.
const STDERR: u32 = 1;

/// What a client is told of a session that could not be started, or whose end is not known.
const LOST_STATUS: u32 = 255;

/// A session channel that was opened.
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
        let orders = Orders::default();
        let started = {
            let backend = Arc::clone(&self.backend);
            let starting = async {
                let request = request.await.ok()?;
                let has_terminal = request.terminal.is_some();
                Some((backend.start(request).await, has_terminal))
            };
            tokio::select! {
                started = starting => started,
                () = receive(&mut self.read, &self.input, &orders) => None,
            }
        };
        match started {
            Some((Ok(started), has_terminal)) => self.serve(started, has_terminal, &orders).await,
            Some((Err(error), _)) => {
                let end = SessionEnd::Lost(format!("cannot start this: {error}"));
                self.tell_end(end).await;
            }
            None => {}
        }
        // The client may have closed it first.
        let _ = self.write.close().await;
    }

    async fn serve(&mut self, started: Started, has_terminal: bool, orders: &Orders) {
        let Started { stdin, stdout, stderr, control, end } = started;
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
        let end = async {
            let end = end.await;
            has_ended.send_replace(true);
            end.unwrap_or_else(|_| SessionEnd::Lost("the session was given up".into()))
        };
        let ending = tokio::select! {
            ((), end) = async { tokio::join!(outputs, end) } => Some(end),
            () = receive(&mut self.read, input, orders) => None,
            never = input.feed(stdin) => match never {},
            never = orders.pass_on(&control) => match never {},
        };
        match ending {
            Some(end) => self.tell_end(end).await,
            // If there is no room for it, dropping `control` says the same.
            None => drop(control.try_send(Control::HangUp)),
        }
    }

    /// Tells the client how it has ended, if there still is one.
    async fn tell_end(&mut self, end: SessionEnd) {
        let told = async {
            let (write, id) = (&self.write, self.write.id());
            if let SessionEnd::Lost(reason) = &end {
                let stderr = Output { write, extended: Some(STDERR) };
                stderr.send(format!("chutes: {reason}\r\n").as_bytes()).await;
            }
            // All of these fail only when the connection is gone.
            let _ = write.eof().await;
            let _ = match end {
                SessionEnd::Exited(status) => self.handle.exit_status_request(id, status).await,
                SessionEnd::Signalled { name, core_dumped } => {
                    let signal = signal(name);
                    self.handle
                        .exit_signal_request(id, signal, core_dumped, String::new(), String::new())
                        .await
                }
                SessionEnd::Lost(_) => self.handle.exit_status_request(id, LOST_STATUS).await,
            };
        };
        let nobody = Orders::default();
        tokio::select! {
            () = told => {}
            () = receive(&mut self.read, &self.input, &nobody) => {}
        }
    }
}

/// Takes everything that the client sends off the library, until the client is gone.
async fn receive(read: &mut ChannelReadHalf, input: &Input, orders: &Orders) {
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => input.push(data),
            ChannelMsg::Eof => input.end(),
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                let pixels = (short(pix_width), short(pix_height));
                let (columns, rows) = (short(col_width), short(row_height));
                let (done, is_done) = oneshot::channel();
                orders.push(Control::Resize { columns, rows, pixels, done });
                input.hold_until(is_done);
            }
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = SessionSignal::from_name(signal_name(&signal)) {
                    orders.push(Control::Signal(signal));
                }
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// What the client wants of a session and the session has not been told yet.
#[derive(Default)]
struct Orders {
    waiting: Mutex<VecDeque<Control>>,
    change: Notify,
}

impl Orders {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Control>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slow session gets the last of several sizes only, and not more signals than fit.
    fn push(&self, order: Control) {
        let mut waiting = self.waiting();
        let is_resize = |order: &Control| matches!(order, Control::Resize { .. });
        if is_resize(&order) && waiting.back().is_some_and(is_resize) {
            waiting.pop_back();
        }
        if waiting.len() < CONTROL_QUEUE {
            waiting.push_back(order);
        }
        self.change.notify_one();
    }

    async fn pass_on(&self, control: &mpsc::Sender<Control>) -> Infallible {
        loop {
            let changed = self.change.notified();
            let Some(order) = self.waiting().pop_front() else {
                changed.await;
                continue;
            };
            if control.send(order).await.is_err() {
                // The session has ended: who wants something of it wants it in vain.
                return std::future::pending().await;
            }
        }
    }
}

/// A size in columns, rows or pixels. Nonsense is made harmless.
pub(super) fn short(size: u32) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

fn signal_name(signal: &Sig) -> &str {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => name,
    }
}

fn signal(name: String) -> Sig {
    match name.as_str() {
        "ABRT" => Sig::ABRT,
        "ALRM" => Sig::ALRM,
        "FPE" => Sig::FPE,
        "HUP" => Sig::HUP,
        "ILL" => Sig::ILL,
        "INT" => Sig::INT,
        "KILL" => Sig::KILL,
        "PIPE" => Sig::PIPE,
        "QUIT" => Sig::QUIT,
        "SEGV" => Sig::SEGV,
        "TERM" => Sig::TERM,
        "USR1" => Sig::USR1,
        _ => Sig::Custom(name),
    }
}
