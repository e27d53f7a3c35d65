//! Starting what a session wants.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chutes_process::{PRIVATE_VARIABLES, RUN_ID_VARIABLE};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use super::super::{CONTROL_QUEUE, Control, SessionCommand, SessionRequest, Started, Terminal};
use super::ProcessBackend;
use super::reaper::SessionReaper;
use super::terminal::{self, SharedTerminal, TerminalInput, TerminalOutput};

/// Variables that are about how the supervisor itself was started: by whom, and from within how many shells.
/// With `SHLVL` set, Bash would not read the `.bashrc` that it reads for the same command under `sshd`.
const OTHERS: [&str; 7] =
    ["SSH_TTY", "SSH_CLIENT", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND", "SHLVL", "PWD", "OLDPWD"];

pub(super) fn start(
    backend: &ProcessBackend,
    request: &SessionRequest,
    member: mpsc::Sender<Infallible>,
) -> io::Result<Started> {
    let mut command = command(backend, &request.command)?;
    set_environment(backend, &mut command, request);
    command.current_dir(&backend.setup.directory);
    // What needs no terminal gets none: SFTP is binary.
    match request.terminal.as_ref().filter(|_| request.command != SessionCommand::Sftp) {
        Some(terminal) => start_in_terminal(backend, command, terminal, member),
        None => start_with_pipes(backend, command, member),
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

/// The environment of the worker, and what belongs to a session. What the job was given comes before what the
/// account says, as it does in the worker.
fn set_environment(backend: &ProcessBackend, command: &mut Command, request: &SessionRequest) {
    for name in OTHERS {
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
    member: mpsc::Sender<Infallible>,
) -> io::Result<Started> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut command = tokio::process::Command::from(command);
    let mut child = backend.setup.sessions.spawn(|| {
        let child = command.spawn()?;
        let pid = child.id();
        Ok((child, pid))
    })?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("the process has no pipes"));
    };
    let (control, end) = tend(backend, child, None, member);
    Ok(Started {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Some(Box::new(stderr)),
        control,
        end,
    })
}

fn start_in_terminal(
    backend: &ProcessBackend,
    mut command: Command,
    size: &Terminal,
    member: mpsc::Sender<Infallible>,
) -> io::Result<Started> {
    let (child, pty) = backend.setup.sessions.spawn(|| {
        let (pty, inner) = pty_process::open().map_err(io::Error::other)?;
        pty.resize(terminal::size(size.columns, size.rows, size.pixels))
            .map_err(io::Error::other)?;
        // The name of a terminal is that of what is opened.
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
    let (control, end) = tend(backend, child, Some(Arc::clone(&shared)), member);
    Ok(Started {
        stdin: Box::new(TerminalInput::new(shared)),
        stdout: Box::new(TerminalOutput::new(output)),
        stderr: None,
        control,
        end,
    })
}

fn descriptor_path(inner: &impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", inner.as_fd().as_raw_fd())
}

type Ends = (mpsc::Sender<Control>, oneshot::Receiver<super::super::SessionEnd>);

fn tend(
    backend: &ProcessBackend,
    child: Child,
    terminal: Option<Arc<SharedTerminal>>,
    member: mpsc::Sender<Infallible>,
) -> Ends {
    let (control, orders) = mpsc::channel(CONTROL_QUEUE);
    let (tell_end, end) = oneshot::channel();
    let reaper = SessionReaper::new(child, terminal, backend.setup.sessions.clone(), member);
    tokio::spawn(async move {
        // Nobody may want to know.
        let _ = tell_end.send(reaper.run(orders).await);
    });
    (control, end)
}
