//! Sessions inside of the container of a run: each is an `exec` of the engine.
//!
//! SFTP works in another way, because an image need not contain an SFTP server: [`crate::sftp`] serves the
//! folders that are mounted into the container from this machine (`/volume`, `/output`, and the one for
//! artifacts), at their paths in the container. Other files of the container are not visible by SFTP.

mod command_end;
mod exec;
mod files;
mod signals;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chutes_core::PortAddress;
use chutes_engine::Engine;
use chutes_ports::{Connector, await_started};
use chutes_process::Sessions;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::exec::Shell;
use super::{BackendFuture, SessionBackend, SessionCommand, SessionRequest, StartedSession};

/// The largest number of sessions at a time.
const MAX_SESSIONS: usize = 64;

/// How long all sessions together may take to end.
const STOP_TIME: Duration = Duration::from_secs(15);

/// What the sessions of a container need.
pub struct ContainerBackendSetup {
    /// The engine and the name of the container. `None` until it runs.
    pub engine: watch::Receiver<Option<(Engine, String)>>,
    /// Connects to ports of the job.
    pub connector: Connector,
    /// The ports of the run.
    pub ports: Vec<PortAddress>,
    /// The folders for SFTP: the path in the container, the folder on this machine, and whether it is
    /// read-only.
    pub mounts: Vec<(String, PathBuf, bool)>,
    /// The processes of sessions on this machine, which are SFTP servers.
    pub sessions: Sessions,
}

impl fmt::Debug for ContainerBackendSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerBackendSetup").finish_non_exhaustive()
    }
}

/// Starts sessions in the container of a run.
pub struct ContainerBackend {
    setup: ContainerBackendSetup,
    /// The shell of the image, found once, as images do not change.
    shell: OnceCell<Shell>,
    /// The tasks that supervise one session each.
    running: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    /// The program of the SFTP server.
    server: OsString,
}

impl fmt::Debug for ContainerBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerBackend").finish_non_exhaustive()
    }
}

impl ContainerBackend {
    /// A backend without sessions.
    #[must_use]
    pub fn new(setup: ContainerBackendSetup) -> Self {
        Self {
            setup,
            shell: OnceCell::new(),
            running: Mutex::default(),
            stop: watch::Sender::new(false),
            server: "/proc/self/exe".into(),
        }
    }

    /// Starts the command of a session.
    async fn start_session(&self, request: SessionRequest) -> io::Result<StartedSession> {
        let (engine, name) = await_started(&self.setup.engine).await.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotConnected, "the container does not run yet")
        })?;
        self.check_limit()?;
        let (started, task) = match request.command {
            SessionCommand::Sftp => files::start(&self.server, &self.setup, self.stop.subscribe())?,
            SessionCommand::Shell | SessionCommand::Command(_) => {
                let shell = self.shell.get_or_try_init(|| exec::find_shell(&engine, &name)).await?;
                match shell.arguments(&request.command)? {
                    Some(arguments) => {
                        exec::start(engine, &name, arguments, &request, self.stop.subscribe())
                            .await?
                    }
                    None => return Ok(exec::without_shell()),
                }
            }
        };
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(started)
    }

    fn check_limit(&self) -> io::Result<()> {
        if *self.stop.borrow() {
            return Err(io::Error::other("the run ends"));
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|task| !task.is_finished());
        if running.len() < MAX_SESSIONS {
            return Ok(());
        }
        Err(io::Error::other(format!("there are {MAX_SESSIONS} sessions already")))
    }

    /// Ends all sessions and their processes.
    async fn stop_all(&self) -> Vec<String> {
        self.stop.send_replace(true);
        let running =
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left = 0;
        let all = async {
            left = running.len();
            for mut task in running {
                if timeout(STOP_TIME, &mut task).await.is_err() {
                    task.abort();
                    continue;
                }
                left -= 1;
            }
        };
        // They are awaited one after the other, but all were stopped at the same time.
        let _ = timeout(STOP_TIME, all).await;
        let warning = format!("{left} SSH sessions in the container could not be ended");
        if left > 0 { vec![warning] } else { Vec::new() }
    }
}

impl SessionBackend for ContainerBackend {
    fn start(&self, request: SessionRequest) -> BackendFuture<'_, io::Result<StartedSession>> {
        Box::pin(self.start_session(request))
    }

    /// A connector to the network of the container.
    fn network(&self) -> (&Connector, &[PortAddress]) {
        (&self.setup.connector, &self.setup.ports)
    }

    fn stop(&self) -> BackendFuture<'_, Vec<String>> {
        Box::pin(self.stop_all())
    }
}
