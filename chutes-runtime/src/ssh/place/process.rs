//! Sessions beside the worker: processes of this machine, in the directory of the run.

mod account;
mod dispositions;
mod start;
mod tend;
mod terminal;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{PortAddress, RunId, SecretPairs};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::account::Account;
use super::{Started, Wanted};
use crate::port::Reach;
use crate::process::{Sessions, this_program};

/// How long it may take to notice that processes have ended.
const NOTICE_TIME: Duration = Duration::from_secs(5);

/// What sessions find where they land.
pub(crate) struct ProcessPlaceSetup {
    pub(crate) run_id: RunId,
    /// The directory of the run, where sessions begin.
    pub(crate) directory: PathBuf,
    /// The environment of the job.
    pub(crate) env: SecretPairs,
    /// More of it: where the ports are.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) reach: Reach,
    pub(crate) ports: Vec<PortAddress>,
    pub(crate) sessions: Sessions,
}

/// The processes of the sessions of a run.
pub(crate) struct ProcessPlace {
    setup: ProcessPlaceSetup,
    account: Account,
    /// Starts the SFTP server.
    sftp: fn() -> io::Result<std::process::Command>,
    tending: Mutex<Tending>,
}

/// Those who look after one process each.
struct Tending {
    /// Each has a clone. `None` once no more may be started.
    member: Option<mpsc::Sender<Infallible>>,
    all_ended: Option<mpsc::Receiver<Infallible>>,
}

impl ProcessPlace {
    pub(crate) fn new(setup: ProcessPlaceSetup) -> Self {
        let (member, all_ended) = mpsc::channel(1);
        let tending = Mutex::new(Tending { member: Some(member), all_ended: Some(all_ended) });
        Self { setup, account: Account::of_this_process(), sftp: sftp_server, tending }
    }

    #[expect(clippy::unused_async, reason = "in other places it takes time")]
    pub(super) async fn start(&self, wanted: Wanted) -> io::Result<Started> {
        let member = self.tending.lock().unwrap_or_else(PoisonError::into_inner).member.clone();
        let member = member.ok_or_else(|| io::Error::other("the run has ended"))?;
        dispositions::restore()?;
        start::start(self, &wanted, member)
    }

    #[cfg(test)]
    pub(in crate::ssh) fn set_sftp(&mut self, sftp: fn() -> io::Result<std::process::Command>) {
        self.sftp = sftp;
    }

    pub(super) fn network(&self) -> (&Reach, &[PortAddress]) {
        (&self.setup.reach, &self.setup.ports)
    }

    pub(super) async fn stop(&self, grace: Duration) -> Vec<String> {
        let all_ended = {
            let mut tending = self.tending.lock().unwrap_or_else(PoisonError::into_inner);
            tending.member = None;
            tending.all_ended.take()
        };
        let ended = self.setup.sessions.end_all(grace).await;
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

fn sftp_server() -> io::Result<std::process::Command> {
    let mut command = this_program()?;
    command.arg(crate::sftp::SFTP_ARGUMENT);
    Ok(command)
}
