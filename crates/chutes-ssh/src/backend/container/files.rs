//! The SFTP server of one session: a process of this machine, which serves only the folders of the run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use chutes_process::Sessions;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::super::child::{session_exit, spawn_with_pipes};
use super::super::{CONTROL_QUEUE, Control, SessionExit, StartedSession};
use super::ContainerBackendSetup;
use super::exec::stopped;
use crate::sftp::{MOUNT_ARGUMENT, SFTP_ARGUMENT};

pub(super) fn start(
    server: &OsStr,
    setup: &ContainerBackendSetup,
    stop: watch::Receiver<bool>,
) -> io::Result<(StartedSession, JoinHandle<()>)> {
    let arguments = arguments(&setup.mounts)?;
    let mut command = Command::new(server);
    command.args(arguments).env_clear().current_dir("/").kill_on_drop(true);
    let (child, (stdin, stdout, stderr)) = spawn_with_pipes(command, &setup.sessions)?;
    let (control, controls) = mpsc::channel(CONTROL_QUEUE);
    let (exit_sender, exit) = oneshot::channel();
    let task = tokio::spawn(supervise(child, setup.sessions.clone(), controls, stop, exit_sender));
    let started = StartedSession {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Some(Box::new(stderr)),
        control,
        exit,
    };
    Ok((started, task))
}

/// The arguments of the server. Without a folder it would serve all files of this machine, so there has to
/// be one.
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
    // The folder begins at the first `=/`.
    if path.contains("=/") || !folder.is_absolute() {
        return Err(io::Error::other(format!("the folder `{path}` cannot be shown by SFTP")));
    }
    let mut argument = OsString::from(format!("{path}="));
    argument.push(folder);
    argument.push(if read_only { ":ro" } else { ":rw" });
    Ok(argument)
}

/// Waits for the end of the process, and kills it when the session is hung up or the backend is stopped.
async fn supervise(
    mut child: Child,
    sessions: Sessions,
    mut controls: mpsc::Receiver<Control>,
    mut stop: watch::Receiver<bool>,
    exit_sender: oneshot::Sender<SessionExit>,
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
    let _ = exit_sender.send(session_exit(status));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_folders_is_not_started() {
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
