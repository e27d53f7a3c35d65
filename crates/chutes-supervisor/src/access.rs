//! Everything by which a run can be reached while it goes on: its ports, SSH, and the TLS front.
//!
//! What was asked for is checked, and every port is taken, before anything is started ([`Access`]). While
//! user code runs, all of it is open ([`Open`]); before its files are collected, all of it is closed.

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
pub use self::ssh::{check_keys, serve_files};
use crate::Supervisor;

/// What a run was asked to open, all of it checked and its ports taken.
pub(super) struct Access {
    settings: AccessRequest,
    claims: Claims,
    ssh: Option<ssh::Plan>,
    streaming: Option<streaming::Plan>,
    sessions: Sessions,
    /// Whether the job offers SSH and nobody can log in.
    ssh_is_closed: bool,
    /// Whether the ports are handed on by this process: the container has no network.
    relayed: bool,
}

impl Access {
    /// Checks what was asked for, and takes the ports. `is_isolated` says that user code is not in this process.
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

    /// Where the ports of the job are.
    pub(super) fn job_ports(&self) -> Vec<PortAddress> {
        self.claims.job_ports()
    }

    /// Where all ports are, that of SSH too.
    pub(super) fn addresses(&self) -> Vec<PortAddress> {
        self.claims.addresses()
    }

    /// The processes of those who log in.
    pub(super) fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }
}

/// Why an SSH port stays closed.
const NO_KEY: &str =
    "no public key was given, by `--ssh-public-key` or as `_ssh_public_key` of the data";

/// The ports of the run. That of SSH is one of them when somebody may log in.
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
