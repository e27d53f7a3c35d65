//! What is open while user code runs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{EventReporter, Failure, RunEvent};
#[cfg(any(feature = "container", feature = "ssh"))]
use chutes_core::{FailureKind, Phase};
#[cfg(feature = "streaming")]
use chutes_front::{Front, Upstream, healthy};
#[cfg(feature = "container")]
use chutes_ports::Relay;
use chutes_ports::{Claims, PortWatch};
#[cfg(feature = "ssh")]
use chutes_ssh::SshServer;
use tokio::task::JoinHandle;

#[cfg(feature = "container")]
use super::taken;
use super::{Access, NO_KEY};
use crate::run::RunDirectory;
use crate::run::cancel::{CancelHandle, Urgency};
use crate::run::lifecycle::{Endpoint, Lifecycle};
use crate::run::supervise::stop_background;
use crate::run::worker::Worker;

/// Everything that is open.
pub(in crate::run) struct Open {
    claims: Claims,
    watch: Option<JoinHandle<Infallible>>,
    /// What the watch has told.
    warnings: Arc<Mutex<Vec<String>>>,
    #[cfg(feature = "container")]
    relay: Option<Relay>,
    #[cfg(feature = "ssh")]
    ssh: Option<(SshServer, bool)>,
    #[cfg(feature = "streaming")]
    streaming: Option<(Front, Upstream)>,
}

impl Access {
    /// Opens all that can be opened before user code runs.
    #[cfg_attr(
        not(any(feature = "container", feature = "ssh", feature = "streaming")),
        expect(clippy::unnecessary_wraps, reason = "with more features something may go wrong")
    )]
    pub(in crate::run) fn open(
        self,
        worker: &Worker,
        directory: &RunDirectory,
        lifecycle: &mut Lifecycle,
    ) -> Result<Open, Failure> {
        let events = lifecycle.events();
        let (ports, warnings) = (self.addresses(), Arc::default());
        let claims = self.claims;
        #[cfg(any(feature = "container", feature = "ssh"))]
        let mut claims = claims;
        #[cfg(not(feature = "ssh"))]
        let _ = directory;
        for port in &ports {
            lifecycle.reachable(Endpoint::Port(port.clone()));
        }
        if self.ssh_is_closed {
            lifecycle.emit(RunEvent::SshClosed { reason: NO_KEY.to_owned() });
        }
        #[cfg(feature = "streaming")]
        let streaming =
            self.streaming.map(|plan| plan.open(&self.settings, worker.connector())).transpose()?;
        #[cfg(feature = "ssh")]
        let ssh = match self.ssh {
            Some(plan) => {
                let keep_alive = plan.keep_alive;
                let server = plan
                    .start(
                        &self.settings,
                        &mut claims,
                        worker,
                        directory,
                        self.sessions,
                        events.clone(),
                    )
                    .map_err(|error| platform(format!("cannot start the SSH server: {error}")))?;
                lifecycle.reachable(Endpoint::Ssh(server.endpoint()));
                Some((server, keep_alive))
            }
            None => None,
        };
        #[cfg(feature = "container")]
        let relay = if self.relayed { Some(relay(&mut claims, worker)?) } else { None };
        let watch = watch(&claims, worker, events, &warnings);
        Ok(Open {
            claims,
            watch,
            warnings,
            #[cfg(feature = "container")]
            relay,
            #[cfg(feature = "ssh")]
            ssh,
            #[cfg(feature = "streaming")]
            streaming,
        })
    }
}

#[cfg(any(feature = "container", feature = "ssh"))]
fn platform(message: String) -> Failure {
    Failure::new(FailureKind::Platform, message).in_phase(Phase::Start)
}

/// Hands connections on into a container that has no network.
#[cfg(feature = "container")]
fn relay(claims: &mut Claims, worker: &Worker) -> Result<Relay, Failure> {
    let listeners = claims.take_listeners().map_err(|error| taken(&error))?;
    let started = Relay::start(listeners, &worker.connector());
    started.map_err(|error| platform(format!("cannot hand on connections: {error}")))
}

/// Looks at what the job opens, if its sockets can be told from those of others.
fn watch(
    claims: &Claims,
    worker: &Worker,
    events: EventReporter,
    warnings: &Arc<Mutex<Vec<String>>>,
) -> Option<JoinHandle<Infallible>> {
    let owner = worker.socket_owner()?;
    let (ports, connector) = (claims.job_ports(), worker.connector());
    let warnings = Arc::clone(warnings);
    let watch = PortWatch { ports, owner, connector, events, warnings };
    Some(tokio::spawn(watch.run()))
}

impl Open {
    /// The job opens its ports now.
    pub(in crate::run) fn job_begins(&mut self) {
        self.claims.release();
    }

    /// Whether the job is to serve requests.
    #[cfg_attr(
        not(feature = "streaming"),
        expect(clippy::unused_self, reason = "there is no front to ask")
    )]
    pub(in crate::run) const fn streams(&self) -> bool {
        #[cfg(feature = "streaming")]
        return self.streaming.is_some();
        #[cfg(not(feature = "streaming"))]
        return false;
    }

    /// Waits until the job serves requests; for ever if it need not.
    pub(in crate::run) async fn ready(&self) {
        #[cfg(feature = "streaming")]
        if let Some((_, upstream)) = &self.streaming {
            healthy(upstream).await;
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Lets clients in.
    #[cfg_attr(
        not(feature = "streaming"),
        expect(clippy::unused_self, reason = "there is no front to ask")
    )]
    pub(in crate::run) fn serve(&mut self) -> Option<Endpoint> {
        #[cfg(feature = "streaming")]
        if let Some((front, _)) = &mut self.streaming {
            front.serve();
            return Some(Endpoint::Streaming(front.endpoint()));
        }
        None
    }

    /// Waits until nobody is logged in whom the run should wait for, but not when it was cancelled, and not
    /// longer than the phase has time.
    pub(in crate::run) async fn let_sessions_end(
        &self,
        cancel: &CancelHandle,
        lifecycle: &Lifecycle,
    ) {
        tokio::select! {
            biased;
            () = cancel.reached(Urgency::Graceful) => {}
            () = lifecycle.limit_reached() => {}
            () = self.nobody_is_waited_for() => {}
        }
    }

    #[cfg_attr(
        not(feature = "ssh"),
        expect(clippy::unused_async, reason = "there is nobody to wait for")
    )]
    async fn nobody_is_waited_for(&self) {
        #[cfg(feature = "ssh")]
        if let Some((server, true)) = &self.ssh {
            // A server that is gone has nobody any more.
            let _ = server.open_sessions().wait_for(|open| *open == 0).await;
        }
    }

    /// Closes everything, and ends what was started by those who had logged in.
    pub(in crate::run) async fn close(self, lifecycle: &mut Lifecycle) {
        #[cfg(feature = "streaming")]
        if let Some((front, _)) = self.streaming {
            front.stop().await;
        }
        #[cfg(feature = "ssh")]
        if let Some((server, _)) = self.ssh {
            for warning in server.stop().await {
                lifecycle.warn(warning);
            }
        }
        #[cfg(feature = "container")]
        if let Some(relay) = self.relay {
            relay.stop().await;
        }
        if let Some(watch) = self.watch {
            stop_background([watch]).await;
        }
        let told =
            std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        for warning in told {
            lifecycle.keep_warning(warning);
        }
    }
}
