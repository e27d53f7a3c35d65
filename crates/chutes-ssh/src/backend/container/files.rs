//! The server for files of one session: a process of ours, which sees just the folders of the run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use chutes_process::Sessions;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::super::{CONTROL_QUEUE, Control, SessionEnd, Started};
use super::ContainerBackendSetup;
use super::exec::stopped;
use crate::sftp::{MOUNT_ARGUMENT, SFTP_ARGUMENT};

pub(super) fn start(
    server: &OsStr,
    setup: &ContainerBackendSetup,
    stop: watch::Receiver<bool>,
) -> io::Result<(Started, JoinHandle<()>)> {
    let arguments = arguments(&setup.mounts)?;
    let mut command = Command::new(server);
    command.args(arguments).env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = setup.sessions.spawn(|| {
        let child = command.spawn()?;
        let pid = child.id();
        Ok((child, pid))
    })?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("the server for files has no pipes"));
    };
    let (control, controls) = mpsc::channel(CONTROL_QUEUE);
    let (end, ended) = oneshot::channel();
    let task = tokio::spawn(look_after(child, setup.sessions.clone(), controls, stop, end));
    let started = Started {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Some(Box::new(stderr)),
        control,
        end: ended,
    };
    Ok((started, task))
}

/// Without folders it would show those of this machine, so there has to be one.
fn arguments(mounts: &[(String, std::path::PathBuf, bool)]) -> io::Result<Vec<OsString>> {
    if mounts.is_empty() {
        return Err(io::Error::other("the container has no folder that could be shown"));
    }
    let mut arguments = vec![SFTP_ARGUMENT.into()];
    for (path, folder, read_only) in mounts {
        arguments.extend([MOUNT_ARGUMENT.into(), argument(path, folder, *read_only)?]);
    }
    Ok(arguments)
}

fn argument(path: &str, folder: &Path, read_only: bool) -> io::Result<OsString> {
    // The first `=/` is where the folder begins.
    if path.contains("=/") || !folder.is_absolute() {
        return Err(io::Error::other(format!("the folder `{path}` cannot be shown by SFTP")));
    }
    let mut argument = OsString::from(format!("{path}="));
    argument.push(folder);
    argument.push(if read_only { ":ro" } else { ":rw" });
    Ok(argument)
}

/// Waits for the end of the process. It ends by itself when the client has gone.
async fn look_after(
    mut child: Child,
    sessions: Sessions,
    mut controls: mpsc::Receiver<Control>,
    mut stop: watch::Receiver<bool>,
    end: oneshot::Sender<SessionEnd>,
) {
    let pid = child.id();
    let stopped = async {
        loop {
            tokio::select! {
                control = controls.recv() => match control {
                    Some(Control::Resize { .. } | Control::Signal(_)) => {}
                    Some(Control::HangUp) | None => return,
                },
                () = stopped(&mut stop) => return,
            }
        }
    };
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = stopped => None,
    };
    let status = match ended {
        Some(status) => status,
        None => child.kill().await.and(child.wait().await),
    };
    if let Some(pid) = pid {
        sessions.forget(pid);
    }
    let _ = end.send(status.map_or_else(|error| SessionEnd::Lost(error.to_string()), told));
}

fn told(status: ExitStatus) -> SessionEnd {
    match (status.code().and_then(|code| u32::try_from(code).ok()), status.signal()) {
        (Some(code), _) => SessionEnd::Exited(code),
        (None, Some(9)) => {
            SessionEnd::Signalled { name: "KILL".to_owned(), core_dumped: status.core_dumped() }
        }
        _ => SessionEnd::Lost(format!("the server for files ended by {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_all_files_of_this_machine() {
        assert!(arguments(&[]).is_err());
        let mounts = [
            ("/volume".to_owned(), "/run/a:rw".into(), true),
            ("/output".to_owned(), "/run/b".into(), false),
        ];
        let expected =
            ["__sftp", "--mount", "/volume=/run/a:rw:ro", "--mount", "/output=/run/b:rw"];
        assert_eq!(arguments(&mounts).unwrap(), expected);
        assert!(argument("/a=/b", Path::new("/c"), true).is_err());
        assert!(argument("/a", Path::new("c"), true).is_err());
    }
}
