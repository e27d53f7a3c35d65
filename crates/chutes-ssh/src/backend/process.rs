//! Sessions beside the worker: processes of this machine, in the directory of the run.

mod account;
mod dispositions;
mod reaper;
mod start;
mod terminal;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{PortAddress, RunId, SecretPairs};
use chutes_ports::Connector;
use chutes_process::{Sessions, this_program};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::account::Account;
use super::{BackendFuture, SessionBackend, SessionRequest, StartedSession};

/// How long the processes of sessions have to end when the run ends.
const GRACE: Duration = Duration::from_secs(5);

/// How long the reapers may take to notice that processes have ended.
const NOTICE_TIME: Duration = Duration::from_secs(5);

/// What the sessions beside a worker process need.
pub struct ProcessBackendSetup {
    /// The id of the run, for the environment of sessions.
    pub run_id: RunId,
    /// The directory of the run, in which sessions start.
    pub directory: PathBuf,
    /// The environment of the job.
    pub env: SecretPairs,
    /// Further variables: the addresses of the ports.
    pub variables: Vec<(String, String)>,
    /// Connects to ports of the job.
    pub connector: Connector,
    /// The ports of the run.
    pub ports: Vec<PortAddress>,
    /// The processes of all sessions, so that the tree of the job excludes them.
    pub sessions: Sessions,
}

impl fmt::Debug for ProcessBackendSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessBackendSetup").finish_non_exhaustive()
    }
}

/// Starts sessions as processes beside the worker.
pub struct ProcessBackend {
    setup: ProcessBackendSetup,
    account: Account,
    /// Makes the command that starts the SFTP server.
    sftp: fn() -> io::Result<std::process::Command>,
    reapers: Mutex<Reapers>,
}

impl fmt::Debug for ProcessBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessBackend").finish_non_exhaustive()
    }
}

/// The reapers, of which each process has one.
struct Reapers {
    /// Each reaper has a clone. `None` once no more may be started.
    guard: Option<mpsc::Sender<Infallible>>,
    all_ended: Option<mpsc::Receiver<Infallible>>,
}

impl ProcessBackend {
    /// A backend without sessions.
    #[must_use]
    pub fn new(setup: ProcessBackendSetup) -> Self {
        let (guard, all_ended) = mpsc::channel(1);
        let reapers = Mutex::new(Reapers { guard: Some(guard), all_ended: Some(all_ended) });
        Self { setup, account: Account::of_this_process(), sftp: sftp_server, reapers }
    }

    fn start_session(&self, request: &SessionRequest) -> io::Result<StartedSession> {
        let guard = self.reapers.lock().unwrap_or_else(PoisonError::into_inner).guard.clone();
        let guard = guard.ok_or_else(|| io::Error::other("the run has ended"))?;
        dispositions::restore()?;
        start::start(self, request, guard)
    }

    #[cfg(test)]
    pub(crate) fn set_sftp(&mut self, sftp: fn() -> io::Result<std::process::Command>) {
        self.sftp = sftp;
    }

    async fn stop_all(&self) -> Vec<String> {
        let all_ended = {
            let mut reapers = self.reapers.lock().unwrap_or_else(PoisonError::into_inner);
            reapers.guard = None;
            reapers.all_ended.take()
        };
        let exit = self.setup.sessions.end_all(GRACE).await;
        let mut warnings = Vec::from_iter(exit.problem);
        if let Some(mut all_ended) = all_ended {
            let noticed = async { while all_ended.recv().await.is_some() {} };
            if timeout(NOTICE_TIME, noticed).await.is_err() && warnings.is_empty() {
                warnings.push("a process of an SSH session has not ended".into());
            }
        }
        warnings
    }
}

impl SessionBackend for ProcessBackend {
    fn start(&self, request: SessionRequest) -> BackendFuture<'_, io::Result<StartedSession>> {
        Box::pin(async move { self.start_session(&request) })
    }

    fn network(&self) -> (&Connector, &[PortAddress]) {
        (&self.setup.connector, &self.setup.ports)
    }

    fn stop(&self) -> BackendFuture<'_, Vec<String>> {
        Box::pin(self.stop_all())
    }
}

fn sftp_server() -> io::Result<std::process::Command> {
    let mut command = this_program()?;
    command.arg(crate::sftp::SFTP_ARGUMENT);
    Ok(command)
}
