//! The open access of a run, while user code runs.

use std::collections::BTreeMap;

use chutes_core::{
    AccessRequest, EventReporter, Failure, FailureKind, Phase, PortAddress, RunEvent,
};
use chutes_ports::{Claims, PortWatch, Relay, WatchStage};
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;

use super::ssh::{KeyRing, Server};
use super::streaming::Streaming;
use super::{Access, taken, why_closed};
use crate::RunDirectory;
use crate::cancel::{CancelHandle, Urgency};
use crate::lifecycle::{Endpoint, Lifecycle};
use crate::run_log::RunLog;
use crate::worker::{Isolation, Worker};

/// All open access of a run.
pub(crate) struct Open {
    claims: Claims,
    watch: Option<Watch>,
    /// Whether the job has ended, other than by a cancellation: then it has opened what it ever opens.
    has_job_ended: bool,
    log: RunLog,
    relay: Option<Relay>,
    ssh: Option<Server>,
    streaming: Option<Streaming>,
}

/// The watch of the ports that the job opens.
struct Watch {
    /// It ends with the indices of the ports that it has never seen open.
    task: JoinHandle<Vec<usize>>,
    stage: Sender<WatchStage>,
}

impl Access {
    /// Opens all access that can be opened before user code runs.
    pub(crate) fn open(
        self,
        worker: &dyn Worker,
        directory: &RunDirectory,
        lifecycle: &mut Lifecycle,
    ) -> Result<Open, Failure> {
        // What is noticed while ports are watched belongs into the outcome.
        let (events, log) = (lifecycle.events(), lifecycle.log());
        let ports = self.addresses();
        let Self { settings, mut claims, ssh, streaming, sessions, ssh_is_closed, relayed } = self;
        for port in ports {
            lifecycle.reachable(Endpoint::Port(port));
        }
        if ssh_is_closed {
            lifecycle.emit(RunEvent::SshClosed { reason: why_closed() });
        }
        let streaming =
            streaming.map(|plan| plan.open(&settings, worker.connector())).transpose()?;
        let ssh = match ssh {
            Some(plan) => {
                let server =
                    plan.start(&settings, &mut claims, worker, directory, sessions, events.clone());
                let server = server
                    .map_err(|error| platform(format!("cannot start the SSH server: {error}")))?;
                lifecycle.reachable(Endpoint::Ssh(server.endpoint()));
                Some(server)
            }
            None => None,
        };
        let relay = if relayed { Some(relay(&mut claims, worker)?) } else { None };
        let undisclosed = streaming.iter().map(Streaming::job_port).collect();
        let watch = watch(&claims, &settings, worker, log.reporter_of_warnings(), undisclosed);
        let has_job_ended = false;
        Ok(Open { claims, watch, has_job_ended, log, relay, ssh, streaming })
    }
}

fn platform(message: String) -> Failure {
    Failure::new(FailureKind::Platform, message).in_phase(Phase::Start)
}

/// Starts to relay connections into a container that has no network.
fn relay(claims: &mut Claims, worker: &dyn Worker) -> Result<Relay, Failure> {
    let listeners = claims.take_listeners().map_err(|error| taken(&error))?;
    let started = Relay::start(listeners, &worker.connector());
    started.map_err(|error| platform(format!("cannot hand on connections: {error}")))
}

/// Starts to watch which ports the job opens, if its sockets can be distinguished from those of other programs.
fn watch(
    claims: &Claims,
    settings: &AccessRequest,
    worker: &dyn Worker,
    events: EventReporter,
    undisclosed: Vec<u16>,
) -> Option<Watch> {
    let owner = worker.socket_owner()?;
    let (ports, connector) = (claims.job_ports(), worker.connector());
    let everywhere = settings.host.is_unspecified();
    let watch = PortWatch { ports, undisclosed, everywhere, owner, connector, events };
    let stage = Sender::default();
    let task = tokio::spawn(watch.run(stage.subscribe()));
    Some(Watch { task, stage })
}

impl Watch {
    /// Looks once more. Returns the indices of the ports that were never seen open.
    async fn end(self) -> Vec<usize> {
        self.stage.send_replace(WatchStage::Ended);
        self.task.await.unwrap_or_default()
    }
}

impl Open {
    /// Releases the ports, so that the job can bind them.
    pub(crate) fn job_begins(&mut self) {
        self.claims.release();
        // A socket that held a port is none of the job.
        if let Some(watch) = &self.watch {
            watch.stage.send_replace(WatchStage::Begun);
        }
    }

    /// The job has ended, by itself or at its limit. A port that it has declared and never opened is a mistake then; one
    /// that is cancelled may just not have come to it.
    pub(crate) const fn job_ended(&mut self) {
        self.has_job_ended = true;
    }

    /// The keys of SSH clients, if there is a server.
    pub(crate) fn keys(&self) -> Option<KeyRing> {
        self.ssh.as_ref().map(Server::keys)
    }

    /// Whether the job is to serve requests.
    pub(crate) const fn streams(&self) -> bool {
        self.streaming.is_some()
    }

    /// Waits until the job serves requests; for ever if the run does not stream, or if this process may not connect to the
    /// job, of which there is one warning.
    pub(crate) async fn ready(&self) {
        let Some(streaming) = &self.streaming else { return std::future::pending().await };
        if let Err(error) = streaming.ready().await {
            let message = format!("the job cannot be reached for streaming: {error}");
            self.log.warn_once(message);
            std::future::pending::<()>().await;
        }
    }

    /// Why the job does not serve requests, as far as it was asked.
    pub(crate) fn why_not_ready(&self) -> Option<String> {
        self.streaming.as_ref()?.why_not_ready()
    }

    /// Starts to serve clients.
    pub(crate) fn serve(&mut self) -> Option<Endpoint> {
        self.streaming.as_mut().map(|streaming| Endpoint::Streaming(streaming.serve()))
    }

    /// Waits until no client is logged in, if the run should wait for that. A cancellation and the limit of the
    /// phase end the wait.
    pub(crate) async fn let_sessions_end(&self, cancel: &CancelHandle, lifecycle: &Lifecycle) {
        let Some(ssh) = &self.ssh else { return };
        tokio::select! {
            biased;
            () = cancel.reached(Urgency::Graceful) => {}
            () = lifecycle.limit_reached() => {}
            () = ssh.unused() => {}
        }
    }

    /// The warnings that are due if ports, by their indices, turn out to have never been open: none if the job was not
    /// to open them, or has reported that it has.
    pub(crate) fn if_never_open(&self, worker: &dyn Worker) -> BTreeMap<usize, String> {
        if !self.has_job_ended {
            return BTreeMap::new();
        }
        let (ports, isolation) = (self.claims.job_ports(), worker.isolation());
        let unreported = ports.iter().enumerate().filter(|(index, _)| !worker.has_opened(*index));
        unreported.map(|(index, port)| (index, never_open(port, &isolation))).collect()
    }

    /// Closes everything, and ends all processes of SSH sessions.
    pub(crate) async fn close(
        self,
        mut if_never_open: BTreeMap<usize, String>,
        lifecycle: &mut Lifecycle,
    ) {
        if let Some(streaming) = self.streaming {
            streaming.stop().await;
        }
        if let Some(ssh) = self.ssh {
            for warning in ssh.stop().await {
                lifecycle.warn(warning);
            }
        }
        if let Some(relay) = self.relay {
            relay.stop().await;
        }
        let never_seen = match self.watch {
            Some(watch) => watch.end().await,
            None => Vec::new(),
        };
        for warning in never_seen.iter().filter_map(|index| if_never_open.remove(index)) {
            lifecycle.warn(warning);
        }
    }
}

/// The warning about a port that is declared and was never open.
fn never_open(port: &PortAddress, isolation: &Isolation) -> String {
    let name = port.port.name();
    let place = match isolation {
        Isolation::Container(_) => format!("port {} of its container", port.port.number()),
        Isolation::None | Isolation::Process => port.address.to_string(),
    };
    format!(
        "port `{name}` was never seen open: the job has ended without having opened {place}; open it, or \
         remove it from `ports`"
    )
}
