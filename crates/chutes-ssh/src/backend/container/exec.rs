//! One session as an `exec` of the engine: its streams, its signals, its exit.

use std::io;
use std::time::Duration;

use chutes_engine::{
    Engine, EngineError, ExecRequest, ExecState, ExecStreams, copy_frames, copy_plain,
};
use rustix::process::Signal;
use tokio::io::{AsyncWrite, DuplexStream, duplex, empty, sink};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    CONTROL_QUEUE, Control, SessionCommand, SessionExit, SessionRequest, StartedSession, Terminal,
};
use super::command_end::{EndReport, pass_input};
use super::signals::Container;

/// The size of the buffers of the output of a session, in bytes.
const CHUNK: usize = 32 * 1024;

/// How long an engine may take to answer a request about a session.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long the engine may take to report the exit of an `exec` whose output has ended.
const EXIT_TIME: Duration = Duration::from_secs(10);

/// The interval between two requests for the same state.
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// How long the processes of a session have to end before they are killed.
const GRACE: Duration = Duration::from_secs(2);

/// How long killed processes have to be gone.
const KILL_TIME: Duration = Duration::from_secs(3);

/// How long setting the size of a new terminal is retried.
const RESIZE_TIME: Duration = Duration::from_secs(2);

/// The shell of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    Sh,
    None,
}

impl Shell {
    /// The command line to run in the container; `None` when the image has no shell.
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

/// Finds out which shell the image has.
pub(super) async fn find_shell(engine: &Engine, name: &str) -> io::Result<Shell> {
    let test = ["/bin/sh", "-c", "test -x /bin/bash"].map(str::to_owned).to_vec();
    let request = ExecRequest { command: test, ..ExecRequest::default() };
    let exec = Exec::create(engine.clone(), name, request).await?;
    match engine.start_exec(&exec.id, None).await {
        Ok((output, _input)) => {
            let _ = timeout(EXIT_TIME, copy_frames(output, sink(), sink())).await;
        }
        // Engines report in many ways that there is no such file.
        Err(error) if is_missing(&error.to_string()) => return Ok(Shell::None),
        Err(error) => return Err(error),
    }
    Ok(match exec.exit().await {
        SessionExit::Exited(0) => Shell::Bash,
        SessionExit::Exited(126 | 127) => Shell::None,
        SessionExit::Exited(_) | SessionExit::Signalled { .. } => Shell::Sh,
        SessionExit::Lost(reason) => return Err(io::Error::other(reason)),
    })
}

fn is_missing(words: &str) -> bool {
    let words = words.to_lowercase();
    ["no such file", "not found", "permission denied"].iter().any(|part| words.contains(part))
}

/// A session that prints that there is no shell, and has ended.
pub(super) fn without_shell() -> StartedSession {
    let (control, _) = mpsc::channel(CONTROL_QUEUE);
    let (exit_sender, exit) = oneshot::channel();
    let _ = exit_sender.send(SessionExit::Exited(127));
    let text = "this container has no /bin/sh, so nothing can be run in it by SSH\r\n";
    StartedSession {
        stdin: Box::new(sink()),
        stdout: Box::new(empty()),
        stderr: Some(Box::new(io::Cursor::new(text))),
        control,
        exit,
    }
}

/// Starts a command in a container, and a task that supervises it.
pub(super) async fn start(
    engine: Engine,
    name: &str,
    arguments: Vec<String>,
    request: &SessionRequest,
    stop: watch::Receiver<bool>,
) -> io::Result<(StartedSession, JoinHandle<()>)> {
    let terminal = request.terminal.as_ref();
    let size = terminal.map(|Terminal { columns, rows, .. }| (*columns, *rows));
    let report = EndReport::new();
    let arguments = if terminal.is_some() { arguments } else { report.command(arguments) };
    let exec = Exec::create(engine, name, exec_request(arguments, request)).await?;
    let streams = exec.engine.start_exec(&exec.id, size).await?;
    let Connected { stdin, stdout, stderr, pump } = match size {
        Some(_) => connect_terminal(streams),
        None => connect_pipes(streams, report),
    };
    if let Some((columns, rows)) = size {
        exec.set_initial_size(columns, rows).await;
    }
    let (control, controls) = mpsc::channel(CONTROL_QUEUE);
    let (exit_sender, exit) = oneshot::channel();
    let task = tokio::spawn(async move {
        let _ = exit_sender.send(supervise(&exec, pump, controls, stop).await);
    });
    let started = StartedSession {
        stdin,
        stdout: Box::new(stdout),
        stderr: stderr.map(|stderr| Box::new(stderr) as _),
        control,
        exit,
    };
    Ok((started, task))
}

/// The streams of a command, and the task that copies its output.
struct Connected {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: DuplexStream,
    stderr: Option<DuplexStream>,
    pump: JoinHandle<io::Result<()>>,
}

fn connect_terminal((output, stdin): ExecStreams) -> Connected {
    let (stdout, stdout_end) = duplex(CHUNK);
    let pump = tokio::spawn(copy_plain(output, stdout_end));
    Connected { stdin, stdout, stderr: None, pump }
}

fn connect_pipes((output, input): ExecStreams, report: EndReport) -> Connected {
    let (stdin, stdin_end) = duplex(CHUNK);
    let (stdout, stdout_end) = duplex(CHUNK);
    let (stderr, stderr_end) = duplex(CHUNK);
    let (reported, reported_end) = duplex(CHUNK);
    let (has_ended, ended) = oneshot::channel();
    // These end with the streams that they copy.
    tokio::spawn(report.copy_without(reported, stderr_end, has_ended));
    tokio::spawn(pass_input(stdin_end, input, ended));
    let pump = tokio::spawn(copy_frames(output, stdout_end, reported_end));
    Connected { stdin: Box::new(stdin), stdout, stderr: Some(stderr), pump }
}

fn exec_request(arguments: Vec<String>, request: &SessionRequest) -> ExecRequest {
    let pair = |(name, value): &(String, String)| format!("{name}={value}");
    let mut env: Vec<_> = request.env.iter().map(pair).collect();
    if let Some(terminal) = &request.terminal {
        env.push(format!("TERM={}", terminal.term));
    }
    let terminal = request.terminal.is_some();
    ExecRequest { command: arguments, env, terminal, stdin: true, stderr: true }
}

/// Carries out the requests of the client until the session ends.
async fn supervise(
    exec: &Exec,
    mut pump: JoinHandle<io::Result<()>>,
    mut controls: mpsc::Receiver<Control>,
    mut stop: watch::Receiver<bool>,
) -> SessionExit {
    loop {
        let control = tokio::select! {
            // When the output cannot be passed on, the client is gone.
            ended = &mut pump => match ended {
                Ok(Ok(())) => return exec.exit().await,
                _ => Control::HangUp,
            },
            control = controls.recv() => control.unwrap_or(Control::HangUp),
            () = stopped(&mut stop) => Control::HangUp,
        };
        match control {
            Control::Resize { columns, rows, done, .. } => {
                // A failure does no harm, and the process may be gone.
                let _ = exec.resize(columns, rows).await;
                drop(done);
            }
            Control::Signal(signal) => exec.signal(signal).await,
            Control::HangUp => {
                exec.end_processes().await;
                pump.abort();
                return exec.exit().await;
            }
        }
    }
}

/// Waits until the backend is stopped.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender means that the backend is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A command that runs in a container.
struct Exec {
    engine: Engine,
    container: String,
    id: String,
}

/// Why the engine has not reported the state of a session.
struct InspectError {
    is_unknown: bool,
    reason: String,
}

impl Exec {
    async fn create(engine: Engine, name: &str, request: ExecRequest) -> io::Result<Self> {
        let id = engine.create_exec(name, request).await.map_err(io::Error::other)?;
        Ok(Self { engine, container: name.to_owned(), id })
    }

    async fn inspect(&self) -> Result<ExecState, InspectError> {
        match timeout(ANSWER_TIME, self.engine.inspect_exec(&self.id)).await {
            Ok(answer) => answer.map_err(|error| InspectError {
                is_unknown: error.is_unknown(),
                reason: error.reason(),
            }),
            Err(_) => {
                Err(InspectError { is_unknown: false, reason: "it does not answer".to_owned() })
            }
        }
    }

    async fn resize(&self, columns: u16, rows: u16) -> Result<(), String> {
        match timeout(ANSWER_TIME, self.engine.resize_exec(&self.id, columns, rows)).await {
            Ok(answer) => answer.map_err(|error: EngineError| error.reason()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }

    /// Sets the size of a new terminal once more: an old engine does not take it with the start. That fails until the
    /// terminal exists, and the engine has no event for this.
    async fn set_initial_size(&self, columns: u16, rows: u16) {
        let until = Instant::now() + RESIZE_TIME;
        while self.resize(columns, rows).await.is_err() && Instant::now() < until {
            // A command that has ended has no terminal any more.
            if self.inspect().await.is_ok_and(|state| state.running == Some(false)) {
                return;
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// How the command ended. Called after its output has ended, or after it was killed.
    async fn exit(&self) -> SessionExit {
        let until = Instant::now() + EXIT_TIME;
        loop {
            let answer = self.inspect().await;
            if let Ok(ExecState { running: Some(false), exit_code: Some(code), .. }) = answer {
                return match u32::try_from(code) {
                    Ok(code) => SessionExit::Exited(code),
                    Err(_) => {
                        SessionExit::Lost(format!("the engine says that it ended with {code}"))
                    }
                };
            }
            // The engine forgets an `exec` when its container is removed.
            let is_unknown = answer.as_ref().is_err_and(|error| error.is_unknown);
            if is_unknown || Instant::now() >= until {
                let reason =
                    answer.map_or_else(|error| error.reason, |_| "it still runs".to_owned());
                return SessionExit::Lost(format!(
                    "the engine does not know how it ended: {reason}"
                ));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Its container and its pid, both as seen from this machine, if they are visible.
    async fn process(&self) -> Option<(Container, i32)> {
        let exec = self.inspect().await.ok()?;
        let number = exec.pid?;
        if !self.engine.is_local() || exec.running == Some(false) {
            return None;
        }
        let inspected =
            timeout(ANSWER_TIME, self.engine.inspect(&self.container)).await.ok()?.ok()?;
        Some((Container::of(inspected?.pid?)?, number))
    }

    /// Sends a signal to all processes of the session, as a terminal does.
    async fn signal(&self, signal: Signal) {
        if let Some((container, leader)) = self.process().await {
            let _ = container.signal_session(leader, signal);
        }
    }

    /// Ends the processes of the session, first with the signals of a closed terminal, then by SIGKILL. A
    /// process that has left the session is ended with the container.
    async fn end_processes(&self) {
        let Some((container, leader)) = self.process().await else { return };
        for signal in [Signal::HUP, Signal::TERM, Signal::CONT] {
            let _ = container.signal_session(leader, signal);
        }
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            // SIGCONT does nothing to a running process, so it serves to count the processes that are left.
            if !matches!(container.signal_session(leader, Signal::CONT), Ok(1..)) {
                return;
            }
            sleep(POLL_INTERVAL).await;
        }
        let until = Instant::now() + KILL_TIME;
        while matches!(container.signal_session(leader, Signal::KILL), Ok(1..))
            && Instant::now() < until
        {
            sleep(POLL_INTERVAL).await;
        }
    }
}
