//! Starting the process of a session.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use chutes_process::{PRIVATE_VARIABLES, RUN_ID_VARIABLE};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use super::super::child::spawn_with_pipes;
use super::super::{
    CONTROL_QUEUE, Control, SessionCommand, SessionExit, SessionRequest, StartedSession, Terminal,
};
use super::ProcessBackend;
use super::reaper::SessionReaper;
use super::terminal::{self, SharedTerminal, TerminalInput, TerminalOutput};
use crate::descriptor::descriptor_path;

/// Variables that describe how the supervisor itself was started: from which client, and within how many
/// shells. With `SHLVL` set, Bash would not read the `.bashrc` that it reads for the same command under
/// `sshd`.
const SUPERVISOR_VARIABLES: [&str; 7] =
    ["SSH_TTY", "SSH_CLIENT", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND", "SHLVL", "PWD", "OLDPWD"];

pub(super) fn start(
    backend: &ProcessBackend,
    request: &SessionRequest,
    guard: mpsc::Sender<Infallible>,
) -> io::Result<StartedSession> {
    let mut command = command(backend, &request.command)?;
    set_environment(backend, &mut command, request);
    command.current_dir(&backend.setup.directory);
    // SFTP is binary, so it never gets a terminal.
    match request.terminal.as_ref().filter(|_| request.command != SessionCommand::Sftp) {
        Some(terminal) => start_in_terminal(backend, command, terminal, guard),
        None => start_with_pipes(backend, command, guard),
    }
}

fn command(backend: &ProcessBackend, requested: &SessionCommand) -> io::Result<Command> {
    let shell = &backend.account.shell;
    let name = shell.file_name().unwrap_or(shell.as_os_str());
    let mut command = Command::new(shell);
    match requested {
        SessionCommand::Shell => {
            // A shell whose name begins with a dash is a login shell.
            let mut login = OsString::from("-");
            login.push(name);
            command.arg0(login);
        }
        SessionCommand::Command(text) => {
            command.arg0(name).arg("-c").arg(OsStr::from_bytes(text));
        }
        SessionCommand::Sftp => command = (backend.sftp)()?,
    }
    Ok(command)
}

/// Sets the environment of the worker and the variables of a session. Variables of the job take precedence
/// over those of the account, as they do in the worker.
fn set_environment(backend: &ProcessBackend, command: &mut Command, request: &SessionRequest) {
    for name in SUPERVISOR_VARIABLES {
        command.env_remove(name);
    }
    let (setup, account) = (&backend.setup, &backend.account);
    command.env("HOME", &account.home).env("USER", &account.name).env("LOGNAME", &account.name);
    command.env("SHELL", &account.shell);
    command.envs(setup.env.reveal().iter().map(|(name, value)| (name, value)));
    command.envs(setup.variables.iter().map(|(name, value)| (name, value)));
    command.env(RUN_ID_VARIABLE, setup.run_id.to_string());
    command.envs(request.env.iter().map(|(name, value)| (name, value)));
    if let Some(terminal) = &request.terminal {
        command.env("TERM", &terminal.term);
    }
    for name in PRIVATE_VARIABLES {
        command.env_remove(name);
    }
}

fn start_with_pipes(
    backend: &ProcessBackend,
    mut command: Command,
    guard: mpsc::Sender<Infallible>,
) -> io::Result<StartedSession> {
    command.process_group(0);
    let command = tokio::process::Command::from(command);
    let (child, (stdin, stdout, stderr)) = spawn_with_pipes(command, &backend.setup.sessions)?;
    let (control, exit) = spawn_reaper(backend, child, None, guard);
    Ok(StartedSession {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Some(Box::new(stderr)),
        control,
        exit,
    })
}

fn start_in_terminal(
    backend: &ProcessBackend,
    mut command: Command,
    size: &Terminal,
    guard: mpsc::Sender<Infallible>,
) -> io::Result<StartedSession> {
    let (child, pty) = backend.setup.sessions.spawn(|| {
        let (pty, inner) = pty_process::open().map_err(io::Error::other)?;
        pty.resize(terminal::size(size.columns, size.rows, size.pixels))
            .map_err(io::Error::other)?;
        // The name of the terminal is the path of the open file.
        if let Ok(name) = std::fs::read_link(descriptor_path(&inner)) {
            command.env("SSH_TTY", name);
        }
        let command = pty_process::Command::from(tokio::process::Command::from(command));
        let child = command.spawn(inner).map_err(io::Error::other)?;
        let pid = child.id();
        Ok(((child, pty), pid))
    })?;
    let (output, input) = pty.into_split();
    let shared = Arc::new(SharedTerminal::new(input));
    let (control, exit) = spawn_reaper(backend, child, Some(Arc::clone(&shared)), guard);
    Ok(StartedSession {
        stdin: Box::new(TerminalInput::new(shared)),
        stdout: Box::new(TerminalOutput::new(output)),
        stderr: None,
        control,
        exit,
    })
}

/// The requests for a session, and its exit.
type SessionControl = (mpsc::Sender<Control>, oneshot::Receiver<SessionExit>);

fn spawn_reaper(
    backend: &ProcessBackend,
    child: Child,
    terminal: Option<Arc<SharedTerminal>>,
    guard: mpsc::Sender<Infallible>,
) -> SessionControl {
    let (control, controls) = mpsc::channel(CONTROL_QUEUE);
    let (exit_sender, exit) = oneshot::channel();
    let reaper = SessionReaper::new(child, terminal, backend.setup.sessions.clone(), guard);
    tokio::spawn(async move {
        // The receiver may be gone.
        let _ = exit_sender.send(reaper.run(controls).await);
    });
    (control, exit)
}
