//! The open access of a run, while user code runs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{EventReporter, Failure, FailureKind, Phase, RunEvent};
use chutes_ports::{Claims, PortWatch, Relay};
use tokio::task::JoinHandle;

use super::ssh::Server;
use super::streaming::Streaming;
use super::{Access, NO_KEY, taken};
use crate::RunDirectory;
use crate::background::stop_background;
use crate::cancel::{CancelHandle, Urgency};
use crate::lifecycle::{Endpoint, Lifecycle};
use crate::worker::Worker;

/// All open access of a run.
pub(crate) struct Open {
    claims: Claims,
    watch: Option<JoinHandle<Infallible>>,
    events: EventReporter,
    /// The warnings of the watch, and about streaming.
    warnings: Arc<Mutex<Vec<String>>>,
    relay: Option<Relay>,
    ssh: Option<Server>,
    streaming: Option<Streaming>,
}

impl Access {
    /// Opens all access that can be opened before user code runs.
    pub(crate) fn open(
        self,
        worker: &dyn Worker,
        directory: &RunDirectory,
        lifecycle: &mut Lifecycle,
    ) -> Result<Open, Failure> {
        let events = lifecycle.events();
        let ports = self.addresses();
        let Self { settings, mut claims, ssh, streaming, sessions, ssh_is_closed, relayed } = self;
        for port in ports {
            lifecycle.reachable(Endpoint::Port(port));
        }
        if ssh_is_closed {
            lifecycle.emit(RunEvent::SshClosed { reason: NO_KEY.to_owned() });
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
        let warnings = Arc::default();
        let undisclosed = streaming.iter().map(Streaming::job_port).collect();
        let watch = watch(&claims, worker, events.clone(), undisclosed, &warnings);
        Ok(Open { claims, watch, events, warnings, relay, ssh, streaming })
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
    worker: &dyn Worker,
    events: EventReporter,
    undisclosed: Vec<u16>,
    warnings: &Arc<Mutex<Vec<String>>>,
) -> Option<JoinHandle<Infallible>> {
    let owner = worker.socket_owner()?;
    let (ports, connector) = (claims.job_ports(), worker.connector());
    let warnings = Arc::clone(warnings);
    let watch = PortWatch { ports, undisclosed, owner, connector, events, warnings };
    Some(tokio::spawn(watch.run()))
}

impl Open {
    /// Releases the ports, so that the job can bind them.
    pub(crate) fn job_begins(&mut self) {
        self.claims.release();
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
            self.warn(format!("the job cannot be reached for streaming: {error}"));
            std::future::pending::<()>().await;
        }
    }

    fn warn(&self, message: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&message) {
            warnings.push(message.clone());
            self.events.emit(RunEvent::Warning { message });
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

    /// Closes everything, and ends all processes of SSH sessions.
    pub(crate) async fn close(self, lifecycle: &mut Lifecycle) {
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
        if let Some(watch) = self.watch {
            stop_background([watch]).await;
        }
        let warnings =
            std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        for warning in warnings {
            lifecycle.keep_warning(warning);
        }
    }
}
