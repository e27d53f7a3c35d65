//! Watches the sockets of the job: finds out which of its ports are open, and which it has opened without
//! declaring them.
//!
//! The sockets are read from tables of the kernel, without the help of the job. No connection is made,
//! except to ports with a readiness path.

#[cfg(test)]
mod tests;
mod tracker;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{EventReporter, PortAddress, RunEvent};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::process::Pid;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::tracker::{PortEvent, SocketTracker};
use super::connector::Connector;
use super::probe::get_status;

/// The time between two scans in the beginning.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// The time between two scans later, while there are changes now and then.
const USUAL_PAUSE: Duration = Duration::from_secs(1);

/// The time between two scans when there was no change for [`QUIET_TIME`].
const QUIET_PAUSE: Duration = Duration::from_secs(5);

const QUIET_TIME: Duration = Duration::from_mins(1);

/// Which sockets are those of the job.
pub enum SocketOwner {
    /// The sockets of these processes.
    Processes(Box<dyn Fn() -> io::Result<Vec<Pid>> + Send + Sync>),
    /// All sockets in the network namespace of this process, the first of a container, while it runs.
    Namespace(watch::Receiver<Option<i32>>),
}

impl fmt::Debug for SocketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOwner").finish_non_exhaustive()
    }
}

/// Reports when each port is first open (an HTTP port with a readiness path: has answered 200 there), and
/// warns, once for each, about ports that are open and were not declared.
///
/// Undeclared ports are TCP ports on which the job listens, and UDP ports that it has bound and that are
/// not ephemeral.
pub struct PortWatch {
    /// The ports of the job, without the SSH port.
    pub ports: Vec<PortAddress>,
    /// Which processes have the sockets of the job.
    pub owner: SocketOwner,
    /// Connects to ports of the job.
    pub connector: Connector,
    /// Receives an event when a port is open, and for each warning.
    pub events: EventReporter,
    /// The warnings of the outcome of the run.
    pub warnings: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for PortWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortWatch").finish_non_exhaustive()
    }
}

impl PortWatch {
    /// Scans the sockets until the future is dropped.
    ///
    /// The interval is 20 milliseconds in the beginning and grows to one second. When there was no change
    /// for a minute, and no port is being probed, it is five seconds.
    pub async fn run(self) -> Infallible {
        let mut tracker = SocketTracker::new(&self.ports);
        let mut probes = FuturesUnordered::new();
        let mut last_change = Instant::now();
        let mut next = last_change;
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    // Sockets that cannot be read now are read later: a container may not have started yet.
                    let events = tracker.scan(&self.owner).unwrap_or_default();
                    if !events.is_empty() {
                        last_change = Instant::now();
                    }
                    for event in events {
                        self.emit(event, &mut tracker);
                    }
                    probes.extend(tracker.begin_probes().into_iter().map(|index| self.probe(index)));
                    next = Instant::now() + next_pause(last_change.elapsed(), !probes.is_empty());
                }
                Some((index, is_ready)) = probes.next(), if !probes.is_empty() => {
                    if is_ready {
                        last_change = Instant::now();
                        self.emit(PortEvent::Ready(index), &mut tracker);
                    } else {
                        tracker.probe_again(index);
                    }
                }
            }
        }
    }

    /// Probes whether a port is ready.
    async fn probe(&self, index: usize) -> (usize, bool) {
        // A port without a readiness path is ready when it is open.
        let target = self.ports.get(index).and_then(|port| Some((port, port.port.ready()?)));
        let is_ready = match target {
            Some((port, path)) => {
                matches!(get_status(&self.connector, port, path.as_str()).await, Ok(200))
            }
            None => true,
        };
        (index, is_ready)
    }

    fn emit(&self, event: PortEvent, tracker: &mut SocketTracker<'_>) {
        match event {
            PortEvent::Ready(index) => {
                tracker.set_ready(index);
                if let Some(port) = self.ports.get(index) {
                    let (name, address) = (port.port.name().clone(), port.address);
                    self.events.emit(RunEvent::PortReady { name, address });
                }
            }
            PortEvent::Warning(message) => {
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                warnings.push(message.clone());
                drop(warnings);
                self.events.emit(RunEvent::Warning { message });
            }
        }
    }
}

/// The time until the next scan.
fn next_pause(without_change: Duration, is_probing: bool) -> Duration {
    if without_change >= QUIET_TIME && !is_probing {
        return QUIET_PAUSE;
    }
    (without_change / 8).clamp(SHORTEST_PAUSE, USUAL_PAUSE)
}
