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
use super::{Answer, SessionBackend, SessionRequest, Started};

/// How long the processes of sessions have to end when the run does.
const GRACE: Duration = Duration::from_secs(5);

/// How long it may take to notice that processes have ended.
const NOTICE_TIME: Duration = Duration::from_secs(5);

/// What sessions find where they land.
pub struct ProcessBackendSetup {
    /// The id of the run, which its processes have in their environment.
    pub run_id: RunId,
    /// The directory of the run, where sessions begin.
    pub directory: PathBuf,
    /// The environment of the job.
    pub env: SecretPairs,
    /// More of it: where the ports are.
    pub variables: Vec<(String, String)>,
    /// The way to what the job serves.
    pub connector: Connector,
    /// The ports of the run.
    pub ports: Vec<PortAddress>,
    /// The processes of all sessions, for what looks after those of the job.
    pub sessions: Sessions,
}

impl fmt::Debug for ProcessBackendSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessBackendSetup").finish_non_exhaustive()
    }
}

/// The processes of the sessions of a run.
pub struct ProcessBackend {
    setup: ProcessBackendSetup,
    account: Account,
    /// Starts the SFTP server.
    sftp: fn() -> io::Result<std::process::Command>,
    tending: Mutex<Tending>,
}

impl fmt::Debug for ProcessBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessBackend").finish_non_exhaustive()
    }
}

/// Those who look after one process each.
struct Tending {
    /// Each has a clone. `None` once no more may be started.
    member: Option<mpsc::Sender<Infallible>>,
    all_ended: Option<mpsc::Receiver<Infallible>>,
}

impl ProcessBackend {
    #[must_use]
    /// No session runs yet.
    pub fn new(setup: ProcessBackendSetup) -> Self {
        let (member, all_ended) = mpsc::channel(1);
        let tending = Mutex::new(Tending { member: Some(member), all_ended: Some(all_ended) });
        Self { setup, account: Account::of_this_process(), sftp: sftp_server, tending }
    }

    fn begin(&self, request: &SessionRequest) -> io::Result<Started> {
        let member = self.tending.lock().unwrap_or_else(PoisonError::into_inner).member.clone();
        let member = member.ok_or_else(|| io::Error::other("the run has ended"))?;
        dispositions::restore()?;
        start::start(self, request, member)
    }

    #[cfg(test)]
    pub(crate) fn set_sftp(&mut self, sftp: fn() -> io::Result<std::process::Command>) {
        self.sftp = sftp;
    }

    async fn end(&self) -> Vec<String> {
        let all_ended = {
            let mut tending = self.tending.lock().unwrap_or_else(PoisonError::into_inner);
            tending.member = None;
            tending.all_ended.take()
        };
        let ended = self.setup.sessions.end_all(GRACE).await;
        let mut warnings = Vec::from_iter(ended.problem);
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
    fn start(&self, request: SessionRequest) -> Answer<'_, io::Result<Started>> {
        Box::pin(async move { self.begin(&request) })
    }

    fn network(&self) -> (&Connector, &[PortAddress]) {
        (&self.setup.connector, &self.setup.ports)
    }

    fn stop(&self) -> Answer<'_, Vec<String>> {
        Box::pin(self.end())
    }
}

fn sftp_server() -> io::Result<std::process::Command> {
    let mut command = this_program()?;
    command.arg(crate::sftp::SFTP_ARGUMENT);
    Ok(command)
}
