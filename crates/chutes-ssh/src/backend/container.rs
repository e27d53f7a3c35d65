//! Sessions inside of the container of a run: each is an `exec` of the engine.
//!
//! Files are another matter: an image need not have a server for them. [`crate::sftp`] serves those of the
//! folders that the container has from this machine (`/volume`, `/output`, and the one for artifacts), at the
//! paths where the container has them. The other files of the container are not to be seen by SFTP.

mod exec;
mod files;
mod frames;
mod hijack;
mod owned;
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
use super::{Answer, SessionBackend, SessionCommand, SessionRequest, Started};

/// How many sessions there may be at a time.
const MOST_SESSIONS: usize = 64;

/// How long all sessions together may take to end.
const STOP_TIME: Duration = Duration::from_secs(15);

/// Where the sessions of a container run go.
pub struct ContainerBackendSetup {
    /// The engine and the name of the container. `None` until it runs.
    pub engine: watch::Receiver<Option<(Engine, String)>>,
    /// The way to what the job serves.
    pub connector: Connector,
    /// The ports of the run.
    pub ports: Vec<PortAddress>,
    /// For SFTP: the path in the container, the folder on this machine, and whether it is read-only.
    pub mounts: Vec<(String, PathBuf, bool)>,
    /// The processes of sessions on this machine: those that serve files.
    pub sessions: Sessions,
}

impl fmt::Debug for ContainerBackendSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerBackendSetup").finish_non_exhaustive()
    }
}

/// Lets sessions into the container of a run.
pub struct ContainerBackend {
    setup: ContainerBackendSetup,
    /// Which shell the image has. Images do not change.
    shell: OnceCell<Shell>,
    /// Those that look after one session each.
    running: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    /// The program that serves files.
    server: OsString,
}

impl fmt::Debug for ContainerBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerBackend").finish_non_exhaustive()
    }
}

impl ContainerBackend {
    #[must_use]
    /// No session runs yet.
    pub fn new(setup: ContainerBackendSetup) -> Self {
        Self {
            setup,
            shell: OnceCell::new(),
            running: Mutex::default(),
            stop: watch::Sender::new(false),
            server: "/proc/self/exe".into(),
        }
    }

    /// Starts what a session asks for.
    async fn begin(&self, request: SessionRequest) -> io::Result<Started> {
        let (engine, name) = await_started(&self.setup.engine).await.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotConnected, "the container does not run yet")
        })?;
        self.check_room()?;
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

    fn check_room(&self) -> io::Result<()> {
        if *self.stop.borrow() {
            return Err(io::Error::other("the run ends"));
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|task| !task.is_finished());
        if running.len() < MOST_SESSIONS {
            return Ok(());
        }
        Err(io::Error::other(format!("there are {MOST_SESSIONS} sessions already")))
    }

    /// Ends all sessions and what they have started.
    async fn end(&self) -> Vec<String> {
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
        // Each of them is waited for in turn, but all were told at once.
        let _ = timeout(STOP_TIME, all).await;
        let warning = format!("{left} SSH sessions in the container could not be ended");
        if left > 0 { vec![warning] } else { Vec::new() }
    }
}

impl SessionBackend for ContainerBackend {
    fn start(&self, request: SessionRequest) -> Answer<'_, io::Result<Started>> {
        Box::pin(self.begin(request))
    }

    /// The network as the container sees it.
    fn network(&self) -> (&Connector, &[PortAddress]) {
        (&self.setup.connector, &self.setup.ports)
    }

    fn stop(&self) -> Answer<'_, Vec<String>> {
        Box::pin(self.end())
    }
}
