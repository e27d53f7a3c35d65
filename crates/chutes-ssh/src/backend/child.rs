//! The processes of sessions on this machine: starting one with pipes, and how it has ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use chutes_process::{Sessions, short_signal_name};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::SessionExit;

/// The pipes of a process: its standard input, output and error.
pub(super) type Pipes = (ChildStdin, ChildStdout, ChildStderr);

/// Starts a process of a session with pipes.
pub(super) fn spawn_with_pipes(
    mut command: Command,
    sessions: &Sessions,
) -> io::Result<(Child, Pipes)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = sessions.spawn(|| {
        let child = command.spawn()?;
        let pid = child.id();
        Ok((child, pid))
    })?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok((child, (stdin, stdout, stderr))),
        _ => Err(io::Error::other("the process has no pipes")),
    }
}

/// How a session has ended whose process has this status.
pub(super) fn session_exit(status: io::Result<ExitStatus>) -> SessionExit {
    let status = match status {
        Ok(status) => status,
        Err(error) => return SessionExit::Lost(format!("its end is not known: {error}")),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => SessionExit::Exited(code.unsigned_abs()),
        (None, Some(number)) => {
            let name = short_signal_name(number);
            SessionExit::Signalled { name, core_dumped: status.core_dumped() }
        }
        (None, None) => SessionExit::Lost(format!("its end is strange: {status}")),
    }
}
