//! One session: an `exec`, its streams, its signals, its end.

use std::io;
use std::time::Duration;

use bollard::exec::ResizeExecOptions;
use bollard::models::{ExecConfig, ExecInspectResponse};
use chutes_engine::{Engine, status_code, words};
use rustix::process::Signal;
use tokio::io::{DuplexStream, duplex, empty, sink};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    CONTROL_QUEUE, Control, SessionCommand, SessionEnd, SessionRequest, Started, Terminal,
};
use super::frames::{self, CHUNK};
use super::hijack;
use super::owned::Container;

/// How long an engine may take to answer a question about a session.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long the engine may take to know how something ended whose output has ended.
const END_TIME: Duration = Duration::from_secs(10);

/// How often the engine is asked.
const ASK_AGAIN: Duration = Duration::from_millis(30);

/// How long the processes of a session have to end before they are killed.
const GRACE: Duration = Duration::from_secs(2);

/// How long those that were killed have to be gone.
const KILL_TIME: Duration = Duration::from_secs(3);

/// How long the size of a new terminal is tried to be set.
const RESIZE_TIME: Duration = Duration::from_secs(2);

/// What an image has for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    Sh,
    None,
}

impl Shell {
    /// What is to be run in the container; `None` when it has nothing to run it with.
    pub(super) fn arguments(self, command: &SessionCommand) -> io::Result<Option<Vec<String>>> {
        let arguments = match (self, command) {
            (Self::None, _) => return Ok(None),
            (_, SessionCommand::Command(command)) => {
                let command = str::from_utf8(command).map_err(|_| {
                    io::Error::other("the container engine takes commands in UTF-8 only")
                })?;
                vec!["/bin/sh", "-c", command]
            }
            (Self::Bash, _) => vec!["/bin/bash", "-l"],
            (Self::Sh, _) => vec!["/bin/sh", "-l"],
        };
        Ok(Some(arguments.into_iter().map(str::to_owned).collect()))
    }
}

/// Asks the image which shell it has.
pub(super) async fn find_shell(engine: &Engine, name: &str) -> io::Result<Shell> {
    let test = ["/bin/sh", "-c", "test -x /bin/bash"].map(str::to_owned).to_vec();
    let config = ExecConfig { cmd: Some(test), attach_stdout: Some(true), ..ExecConfig::default() };
    let exec = Exec::create(engine.clone(), name, config).await?;
    match hijack::start(engine, &exec.id, false).await {
        Ok((output, _input)) => {
            let _ = timeout(END_TIME, frames::framed(output, sink(), sink())).await;
        }
        // Engines say in many ways that there is no such file.
        Err(error) if is_missing(&error.to_string()) => return Ok(Shell::None),
        Err(error) => return Err(error),
    }
    Ok(match exec.end().await {
        SessionEnd::Exited(0) => Shell::Bash,
        SessionEnd::Exited(126 | 127) => Shell::None,
        SessionEnd::Exited(_) | SessionEnd::Signalled { .. } => Shell::Sh,
        SessionEnd::Lost(why) => return Err(io::Error::other(why)),
    })
}

fn is_missing(words: &str) -> bool {
    let words = words.to_lowercase();
    ["no such file", "not found", "permission denied"].iter().any(|part| words.contains(part))
}

/// A session that says why there is none.
pub(super) fn without_shell() -> Started {
    let (control, _) = mpsc::channel(CONTROL_QUEUE);
    let (end, ended) = oneshot::channel();
    let _ = end.send(SessionEnd::Exited(127));
    let text = "this container has no /bin/sh, so nothing can be run in it by SSH\r\n";
    Started {
        stdin: Box::new(sink()),
        stdout: Box::new(empty()),
        stderr: Some(Box::new(io::Cursor::new(text))),
        control,
        end: ended,
    }
}

/// Starts something in a container, and lets somebody look after it.
pub(super) async fn start(
    engine: Engine,
    name: &str,
    arguments: Vec<String>,
    request: &SessionRequest,
    stop: watch::Receiver<bool>,
) -> io::Result<(Started, JoinHandle<()>)> {
    let terminal = request.terminal.as_ref();
    let exec = Exec::create(engine, name, config(arguments, request)).await?;
    let (output, stdin) = hijack::start(&exec.engine, &exec.id, terminal.is_some()).await?;
    let (stdout, stdout_end) = duplex(CHUNK);
    let (pump, stderr): (_, Option<DuplexStream>) = if terminal.is_some() {
        (tokio::spawn(frames::plain(output, stdout_end)), None)
    } else {
        let (stderr, stderr_end) = duplex(CHUNK);
        (tokio::spawn(frames::framed(output, stdout_end, stderr_end)), Some(stderr))
    };
    if let Some(Terminal { columns, rows, .. }) = terminal {
        exec.set_first_size(*columns, *rows).await;
    }
    let (control, controls) = mpsc::channel(CONTROL_QUEUE);
    let (end, ended) = oneshot::channel();
    let task = tokio::spawn(async move {
        let _ = end.send(look_after(&exec, pump, controls, stop).await);
    });
    let started = Started {
        stdin,
        stdout: Box::new(stdout),
        stderr: stderr.map(|stderr| Box::new(stderr) as _),
        control,
        end: ended,
    };
    Ok((started, task))
}

fn config(arguments: Vec<String>, request: &SessionRequest) -> ExecConfig {
    let pair = |(name, value): &(String, String)| format!("{name}={value}");
    let mut env: Vec<_> = request.env.iter().map(pair).collect();
    if let Some(terminal) = &request.terminal {
        env.push(format!("TERM={}", terminal.term));
    }
    ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(request.terminal.is_some()),
        env: Some(env),
        cmd: Some(arguments),
        ..ExecConfig::default()
    }
}

/// Carries out what the client wishes, until the session ends.
async fn look_after(
    exec: &Exec,
    mut pump: JoinHandle<io::Result<()>>,
    mut controls: mpsc::Receiver<Control>,
    mut stop: watch::Receiver<bool>,
) -> SessionEnd {
    loop {
        let control = tokio::select! {
            // When nobody wants the output, nobody wants what prints it.
            ended = &mut pump => match ended {
                Ok(Ok(())) => return exec.end().await,
                _ => Control::HangUp,
            },
            control = controls.recv() => control.unwrap_or(Control::HangUp),
            () = stopped(&mut stop) => Control::HangUp,
        };
        match control {
            Control::Resize { columns, rows, done, .. } => {
                // Nothing depends on it, and the process may be gone.
                let _ = exec.resize(columns, rows).await;
                drop(done);
            }
            Control::Signal(signal) => exec.signal(signal.number()).await,
            Control::HangUp => {
                exec.end_processes().await;
                pump.abort();
                return exec.end().await;
            }
        }
    }
}

/// Waits until all sessions are to end.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means that there is nobody left to whom the session would belong.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Something that runs in a container.
struct Exec {
    engine: Engine,
    container: String,
    id: String,
}

/// Why the engine says nothing about a session.
struct NoAnswer {
    is_unknown: bool,
    why: String,
}

impl Exec {
    async fn create(engine: Engine, name: &str, config: ExecConfig) -> io::Result<Self> {
        let created = engine.docker().create_exec(name, config).await;
        let id = created.map_err(|error| other(&engine.failed("begin a session", error)))?.id;
        Ok(Self { engine, container: name.to_owned(), id })
    }

    async fn inspect(&self) -> Result<ExecInspectResponse, NoAnswer> {
        match timeout(ANSWER_TIME, self.engine.docker().inspect_exec(&self.id)).await {
            Ok(answer) => answer.map_err(|error| NoAnswer {
                is_unknown: status_code(&error) == Some(404),
                why: words(&error),
            }),
            Err(_) => Err(NoAnswer { is_unknown: false, why: "it does not answer".to_owned() }),
        }
    }

    async fn resize(&self, columns: u16, rows: u16) -> Result<(), String> {
        let size = ResizeExecOptions { height: rows, width: columns };
        match timeout(ANSWER_TIME, self.engine.docker().resize_exec(&self.id, size)).await {
            Ok(answer) => answer.map_err(|error| words(&error)),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }

    /// A terminal has no size before it is there, and nothing tells when that is.
    async fn set_first_size(&self, columns: u16, rows: u16) {
        let until = Instant::now() + RESIZE_TIME;
        while self.resize(columns, rows).await.is_err() && Instant::now() < until {
            sleep(ASK_AGAIN).await;
        }
    }

    /// How it ended. To be asked when its output has ended, or it was killed.
    async fn end(&self) -> SessionEnd {
        let until = Instant::now() + END_TIME;
        loop {
            let answer = self.inspect().await;
            if let Ok(ExecInspectResponse { running: Some(false), exit_code: Some(code), .. }) =
                answer
            {
                return match u32::try_from(code) {
                    Ok(code) => SessionEnd::Exited(code),
                    Err(_) => {
                        SessionEnd::Lost(format!("the engine says that it ended with {code}"))
                    }
                };
            }
            // It goes with its container.
            let is_unknown = answer.as_ref().is_err_and(|error| error.is_unknown);
            if is_unknown || Instant::now() >= until {
                let why = answer.map_or_else(|error| error.why, |_| "it still runs".to_owned());
                return SessionEnd::Lost(format!("the engine does not know how it ended: {why}"));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Its container and its number, both as seen from this machine, if they are to be seen.
    async fn process(&self) -> Option<(Container, i32)> {
        let exec = self.inspect().await.ok()?;
        let number = i32::try_from(exec.pid?).ok().filter(|number| *number > 0)?;
        if !self.engine.is_local() || exec.running == Some(false) {
            return None;
        }
        let inspected =
            timeout(ANSWER_TIME, self.engine.inspect(&self.container)).await.ok()?.ok()?;
        Some((Container::of(inspected.state?.pid?)?, number))
    }

    /// As if the signal was sent by a terminal: to all processes of the session.
    async fn signal(&self, signal: Signal) {
        if let Some((container, leader)) = self.process().await {
            let _ = container.signal_session(leader, signal);
        }
    }

    /// Ends what it has started, as the end of a terminal does, and then by force. Who has left the session
    /// is ended with the container.
    async fn end_processes(&self) {
        let Some((container, leader)) = self.process().await else { return };
        for signal in [Signal::HUP, Signal::TERM, Signal::CONT] {
            let _ = container.signal_session(leader, signal);
        }
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            // A signal of none asks who is there: one that continues does nothing to who runs.
            if !matches!(container.signal_session(leader, Signal::CONT), Ok(1..)) {
                return;
            }
            sleep(ASK_AGAIN).await;
        }
        let until = Instant::now() + KILL_TIME;
        while matches!(container.signal_session(leader, Signal::KILL), Ok(1..))
            && Instant::now() < until
        {
            sleep(ASK_AGAIN).await;
        }
    }
}

fn other(error: &impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}
