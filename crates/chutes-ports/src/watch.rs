//! Watches the sockets of the job: finds out which of its ports are open, and which it has opened without
//! declaring them.
//!
//! The sockets are read from tables of the kernel, without the help of the job. A connection is made to ports with a
//! readiness path, and to the TCP ports of a container: that the container listens does not mean that clients get
//! there.

#[cfg(test)]
mod tests;
mod tracker;

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::Duration;

use chutes_core::{EventReporter, PortAddress, RunEvent};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::process::Pid;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::tracker::{Expected, PortEvent, SocketTracker};
use super::connector::Connector;
use super::probe::{accepts, get_status};

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

/// How far user code is, as the one that has the watch knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchStage {
    /// It has not begun, and its ports are held by others.
    #[default]
    Before,
    /// The ports are its own.
    Begun,
    /// It has ended.
    Ended,
}

/// Reports when each port is first open (an HTTP port with a readiness path: has answered 200 there; another TCP port of
/// a container: has accepted a connection and kept it), and warns, once for each, about ports that are open and
/// were not declared, or that this process may not reach, or that are open at every address of this machine although
/// that was not asked for. A container has addresses of its own, so that this is usual there.
///
/// Undeclared ports are TCP ports on which the job listens, and UDP ports that it has bound and that are
/// not ephemeral.
pub struct PortWatch {
    /// The ports of the job, without the SSH port.
    pub ports: Vec<PortAddress>,
    /// The numbers of TCP ports that the job opens for the run and not for clients: there is no warning about them.
    pub undisclosed: Vec<u16>,
    /// Whether the run was asked to open its ports at every address of this machine.
    pub everywhere: bool,
    /// Which processes have the sockets of the job.
    pub owner: SocketOwner,
    /// Connects to ports of the job.
    pub connector: Connector,
    /// Receives an event when a port is open, and for each warning.
    pub events: EventReporter,
}

impl fmt::Debug for PortWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortWatch").finish_non_exhaustive()
    }
}

impl PortWatch {
    /// Scans the sockets until user code has ended, and then once more. Returns the indices of the ports that were
    /// never seen open since it has begun; none if that is not certain, because the sockets could not be read.
    ///
    /// The interval is 20 milliseconds in the beginning and grows to one second. When there was no change
    /// for a minute, and no port is being probed, it is five seconds. A port that was open for less time may be missed.
    pub async fn run(self, stage: watch::Receiver<WatchStage>) -> Vec<usize> {
        let Self { ports, undisclosed, everywhere, .. } = &self;
        let expected = Expected { ports, undisclosed, everywhere: *everywhere };
        let mut tracker = SocketTracker::new(expected);
        let mut stages = stage.clone();
        let ended = async { drop(stages.wait_for(|stage| *stage == WatchStage::Ended).await) };
        let mut ended = pin!(ended);
        let mut probes = FuturesUnordered::new();
        let mut last_change = Instant::now();
        let mut next = last_change;
        loop {
            tokio::select! {
                () = &mut ended => {
                    tracker.user_code_begins();
                    tracker.look(&self.owner);
                    return tracker.never_noticed();
                }
                () = sleep_until(next) => {
                    if *stage.borrow() >= WatchStage::Begun {
                        tracker.user_code_begins();
                    }
                    let events = tracker.look(&self.owner);
                    if !events.is_empty() {
                        last_change = Instant::now();
                    }
                    for event in events {
                        self.emit(event, &mut tracker);
                    }
                    probes.extend(tracker.begin_probes().into_iter().map(|index| self.probe(index)));
                    next = Instant::now() + next_pause(last_change.elapsed(), !probes.is_empty());
                }
                Some((index, found)) = probes.next(), if !probes.is_empty() => match found {
                    Probe::Ready => {
                        last_change = Instant::now();
                        self.emit(PortEvent::Ready(index), &mut tracker);
                    }
                    Probe::NotYet => tracker.probe_again(index),
                    Probe::Forbidden(warning) => {
                        tracker.set_settled(index);
                        self.emit(PortEvent::Warning(warning), &mut tracker);
                    }
                }
            }
        }
    }

    /// Probes whether a port is ready.
    async fn probe(&self, index: usize) -> (usize, Probe) {
        let Some(port) = self.ports.get(index) else { return (index, Probe::NotYet) };
        let answer = match port.port.ready() {
            Some(path) => get_status(&self.connector, port, path.as_str()).await,
            None => accepts(&self.connector, port).await.map(|()| READY),
        };
        let found = match answer {
            Ok(READY) => Probe::Ready,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let name = port.port.name();
                Probe::Forbidden(format!("port `{name}` cannot be reached by clients: {error}"))
            }
            Ok(_) | Err(_) => Probe::NotYet,
        };
        (index, found)
    }

    fn emit(&self, event: PortEvent, tracker: &mut SocketTracker<'_>) {
        match event {
            PortEvent::Ready(index) => {
                tracker.set_settled(index);
                if let Some(port) = self.ports.get(index) {
                    let (name, address) = (port.port.name().clone(), port.address);
                    self.events.emit(RunEvent::PortReady { name, address });
                }
            }
            PortEvent::Warning(message) => {
                self.events.emit(RunEvent::Warning { message });
            }
        }
    }
}

/// The status of an answer that says that a port is ready.
const READY: u16 = 200;

/// What a probe of a port has found.
enum Probe {
    Ready,
    NotYet,
    /// This process may not connect to the port, and never will; with the warning.
    Forbidden(String),
}

/// The time until the next scan.
fn next_pause(without_change: Duration, is_probing: bool) -> Duration {
    if without_change >= QUIET_TIME && !is_probing {
        return QUIET_PAUSE;
    }
    (without_change / 8).clamp(SHORTEST_PAUSE, USUAL_PAUSE)
}
