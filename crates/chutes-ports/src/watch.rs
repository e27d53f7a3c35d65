//! Looks at the sockets of the job: which of its ports are open, and what it has opened that it did not
//! declare.
//!
//! Nothing is asked of the job: its sockets are in the tables of the kernel. No connection is made, but to
//! ports for which the job has said at which path it answers when it is ready.

mod seen;
#[cfg(test)]
mod tests;

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

use self::seen::{News, Seen};
use super::connector::Connector;
use super::probe::get_status;

/// The time between two looks in the beginning.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// The time between two looks later, while there is something new now and then.
const USUAL_PAUSE: Duration = Duration::from_secs(1);

/// The time between two looks when nothing has been new for [`QUIET_TIME`].
const QUIET_PAUSE: Duration = Duration::from_secs(5);

const QUIET_TIME: Duration = Duration::from_mins(1);

/// Which processes have the sockets that are looked at.
pub enum SocketOwner {
    /// Those of these processes: the job's.
    Processes(Box<dyn Fn() -> io::Result<Vec<Pid>> + Send + Sync>),
    /// All in the network of this process, the first of a container, while it runs.
    Namespace(watch::Receiver<Option<i32>>),
}

impl fmt::Debug for SocketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOwner").finish_non_exhaustive()
    }
}

/// Tells when each port is first open (an HTTP port with a readiness path: has answered 200 there), and warns,
/// once for each, of ports that are open and were not declared.
///
/// Those are TCP ports on which the job listens, and UDP ports that it has bound and that are not among the
/// numbers that the kernel gives out for a while.
pub struct PortWatch {
    /// The ports of the job, without that of SSH.
    pub ports: Vec<PortAddress>,
    /// Which processes have the sockets of the job.
    pub owner: SocketOwner,
    /// The way to what the job serves.
    pub connector: Connector,
    /// Where it is reported that a port is open.
    pub events: EventReporter,
    /// What the run warns of in its outcome.
    pub warnings: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for PortWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortWatch").finish_non_exhaustive()
    }
}

impl PortWatch {
    /// Looks again and again, until it is dropped.
    ///
    /// Often in the beginning, every 20 milliseconds, and then less and less often, down to once in a second.
    /// When nothing has been new for a minute, and no port is about to be ready, once in five seconds.
    pub async fn run(self) -> Infallible {
        let mut seen = Seen::new(&self.ports);
        let mut asked = FuturesUnordered::new();
        let mut last_news = Instant::now();
        let mut next = last_news;
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    // What cannot be looked at now is looked at later: a container may not have started yet.
                    let news = seen.look(&self.owner).unwrap_or_default();
                    if !news.is_empty() {
                        last_news = Instant::now();
                    }
                    for news in news {
                        self.tell(news, &mut seen);
                    }
                    asked.extend(seen.begin_to_ask().into_iter().map(|index| self.ask(index)));
                    next = Instant::now() + pause(last_news.elapsed(), !asked.is_empty());
                }
                Some((index, is_ready)) = asked.next(), if !asked.is_empty() => {
                    if is_ready {
                        last_news = Instant::now();
                        self.tell(News::Open(index), &mut seen);
                    } else {
                        seen.ask_again(index);
                    }
                }
            }
        }
    }

    /// Whether a port answers that it is ready.
    async fn ask(&self, index: usize) -> (usize, bool) {
        // What has no readiness path is ready when it is open.
        let asked = self.ports.get(index).and_then(|port| Some((port, port.port.ready()?)));
        let is_ready = match asked {
            Some((port, path)) => {
                matches!(get_status(&self.connector, port, path.as_str()).await, Ok(200))
            }
            None => true,
        };
        (index, is_ready)
    }

    fn tell(&self, news: News, seen: &mut Seen<'_>) {
        match news {
            News::Open(index) => {
                seen.was_ready(index);
                if let Some(port) = self.ports.get(index) {
                    let (name, address) = (port.port.name().clone(), port.address);
                    self.events.emit(RunEvent::PortReady { name, address });
                }
            }
            News::Warning(message) => {
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                warnings.push(message.clone());
                drop(warnings);
                self.events.emit(RunEvent::Warning { message });
            }
        }
    }
}

/// The time until the next look.
fn pause(without_news: Duration, is_about_to_be_ready: bool) -> Duration {
    if without_news >= QUIET_TIME && !is_about_to_be_ready {
        return QUIET_PAUSE;
    }
    (without_news / 8).clamp(SHORTEST_PAUSE, USUAL_PAUSE)
}
