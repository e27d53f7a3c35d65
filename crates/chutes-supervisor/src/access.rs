//! Access to a run in progress: its ports, SSH, and the TLS front.
//!
//! The request is checked, and every port is taken, before anything is started ([`Access`]). Access is open while
//! user code runs ([`Open`]), and closed before the files are collected.

mod keys;
mod open;
mod settings;
#[cfg_attr(not(feature = "ssh"), path = "access/ssh/absent.rs")]
mod ssh;
#[cfg_attr(not(feature = "streaming"), path = "access/streaming/absent.rs")]
mod streaming;

use chutes_core::{
    AccessRequest, Failure, FailureKind, Phase, Port, PortAddress, Ports, Publish, Work,
};
use chutes_ports::{ClaimError, Claims};
use chutes_process::Sessions;

pub(super) use self::keys::without_private_key;
pub(super) use self::open::Open;
pub use self::settings::public_host;
pub(crate) use self::ssh::KeyRing;
pub(super) use self::ssh::check_key;
pub use self::ssh::{check_keys, is_file_server, serve_files, ssh_missing};
pub(super) use self::streaming::check_certificate;
use crate::Supervisor;

/// The access that a run was asked to open, after all checks and with its ports taken.
pub(super) struct Access {
    settings: AccessRequest,
    claims: Claims,
    ssh: Option<ssh::Plan>,
    streaming: Option<streaming::Plan>,
    sessions: Sessions,
    /// Whether the job offers SSH and the run has no public key.
    ssh_is_closed: bool,
    /// Whether this process relays the ports, because the container has no network.
    relayed: bool,
}

impl Access {
    /// Checks the request, and takes the ports. `is_isolated` is whether user code runs outside of this process.
    pub(super) fn prepare(run: &Supervisor, is_isolated: bool) -> Result<Self, Failure> {
        let keys = keys::wanted(run, is_isolated)?;
        let declared = declared(run, keys.is_some())?;
        let ssh = Port::ssh();
        let wants_ssh_port = declared.ssh();
        // A port that stays closed needs no number.
        let is_open = |publish: &&Publish| wants_ssh_port || !publish.is_for(&ssh);
        let publish: Vec<Publish> =
            run.request.spec.publish.iter().filter(is_open).cloned().collect();
        let relayed = matches!(run.request.spec.work, Work::Image { network: false, .. });
        let take = if relayed { Claims::take_for_relay } else { Claims::take };
        let claims =
            take(&declared, run.request.access.host, &publish).map_err(|error| taken(&error))?;
        Ok(Self {
            ssh_is_closed: keys::is_ssh_wanted(run) && keys.is_none(),
            settings: run.request.access.clone(),
            ssh: keys.map(|keys| ssh::Plan::new(run, keys)),
            streaming: streaming::Plan::wanted(run, &claims)?,
            claims,
            sessions: Sessions::default(),
            relayed,
        })
    }

    /// The addresses of the ports of the job.
    pub(super) fn job_ports(&self) -> Vec<PortAddress> {
        self.claims.job_ports()
    }

    /// The addresses of all ports, including the SSH port.
    pub(super) fn addresses(&self) -> Vec<PortAddress> {
        self.claims.addresses()
    }

    /// The processes of SSH sessions.
    pub(super) fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }
}

/// The reason for an SSH port that stays closed: a key would not open it in a program without SSH.
fn why_closed() -> String {
    const NO_KEY: &str =
        "no public key was given, by `--ssh-public-key` or as `_ssh_public_key` of the data";
    ssh_missing().unwrap_or_else(|| NO_KEY.to_owned())
}

/// The ports of the run; with the SSH port if `ssh`.
fn declared(run: &Supervisor, ssh: bool) -> Result<Ports, Failure> {
    let ports: Vec<Port> = match (&run.contract, &run.request.spec.work) {
        (Some(contract), _) => {
            let is_ssh = |port: &&Port| contract.ports.ssh() && **port == Port::ssh();
            contract.ports.iter().filter(|port| !is_ssh(port)).cloned().collect()
        }
        (None, Work::Image { ports, .. }) => ports.clone(),
        (None, Work::Job { .. }) => Vec::new(),
    };
    Ports::new(ports, ssh).map_err(|error| invalid(error.to_string()))
}

fn taken(error: &ClaimError) -> Failure {
    Failure::new(error.kind(), error.to_string()).in_phase(Phase::Start)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::InvalidSpec, message).in_phase(Phase::Start)
}
