//! Forwards events to the console and to files, on threads of their own.

mod target;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chutes_core::{Event, RunEvent};
use chutes_supervisor::Follower;

pub(crate) use self::target::{EventFile, EventTarget};

/// How long the end of a run waits for a slow reader.
const LAST_TIME: Duration = Duration::from_secs(5);

/// How long it waits for the facts after that.
const FACTS_TIME: Duration = Duration::from_secs(2);

/// Events that are forwarded, up to the outcome of their run.
pub(crate) struct Forwarding {
    /// Whether there is time for facts only.
    hurries: Arc<AtomicBool>,
    /// The number of events that are missing at the end, or why forwarding has failed.
    done: Receiver<io::Result<u64>>,
}

impl Forwarding {
    /// Forwards what a follower receives to `to`, until that fails; `None` reports that nothing is waiting. A thread that
    /// is too slow misses events, but no fact.
    pub(crate) fn start(
        name: &str,
        mut follower: Follower,
        to: impl FnMut(Option<&Event>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (end, done) = mpsc::channel();
        let hurries = Arc::<AtomicBool>::default();
        let hurry = Arc::clone(&hurries);
        thread::Builder::new().name(name.into()).spawn(move || {
            // The other end may have stopped waiting.
            let _ = end.send(forward(&mut follower, to, &hurry));
        })?;
        Ok(Self { hurries, done })
    }

    /// Waits for a limited time until all events have been forwarded, and then for the facts. The error says why some were
    /// not.
    pub(crate) fn wait(self) -> Result<(), String> {
        let in_time = self.done.recv_timeout(LAST_TIME);
        self.hurries.store(true, Ordering::Relaxed);
        let done = in_time.or_else(|_| self.done.recv_timeout(FACTS_TIME));
        match done {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(missed)) => {
                Err(format!("{missed} are missing, because their reader was too slow"))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(RecvTimeoutError::Timeout) => Err("their reader does not read".to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err("their thread has ended".to_owned()),
        }
    }
}

/// Whether an event is forwarded although there is no time: a fact, or the end.
fn is_due(event: &Event) -> bool {
    let is_end = matches!(event.what, RunEvent::Status { .. } | RunEvent::Outcome { .. });
    event.seq.is_some() || is_end
}

/// Returns how many events were missed.
fn forward(
    follower: &mut Follower,
    mut to: impl FnMut(Option<&Event>) -> io::Result<()>,
    hurry: &AtomicBool,
) -> io::Result<u64> {
    let mut missed = 0;
    loop {
        let event = if let Some(event) = follower.try_next() {
            event
        } else {
            to(None)?;
            let Some(event) = follower.next_blocking() else { return Ok(missed) };
            event
        };
        if let RunEvent::Missed { events } = event.what {
            missed += events;
        }
        if hurry.load(Ordering::Relaxed) && !is_due(&event) {
            missed += 1;
            continue;
        }
        to(Some(&event))?;
    }
}

#[cfg(test)]
mod tests {
    use chutes_core::{ImageName, JobSpec, RunRequest};
    use chutes_supervisor::{CreatedRun, Supervisor};

    use super::*;

    /// A run that has its directory, and then no supervisor.
    fn created(folder: &tempfile::TempDir) -> CreatedRun {
        let spec = JobSpec::image(ImageName::new("a.test/b").unwrap(), Vec::new());
        let request = RunRequest::new(Supervisor::new_id(), spec, folder.path().join("run"));
        Supervisor::new(request).create().unwrap()
    }

    #[test]
    fn what_is_known_is_forwarded() {
        let folder = tempfile::tempdir().unwrap();
        let created = created(&folder);
        let (sender, forwarded) = mpsc::channel();
        let to = move |event: Option<&Event>| {
            sender.send(event.map(|event| event.seq)).map_err(io::Error::other)
        };
        let forwarding = Forwarding::start("test", created.follow(), to).unwrap();
        drop(created);
        assert_eq!(forwarding.wait(), Ok(()));
        assert!(forwarded.iter().eq([Some(Some(1)), None]));
    }

    /// After a write error, waiting returns at once with the reason.
    #[test]
    fn what_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let created = created(&folder);
        let to = |_: Option<&Event>| Err(io::Error::other("the disk is made of cheese"));
        let forwarding = Forwarding::start("test", created.follow(), to).unwrap();
        assert_eq!(forwarding.wait(), Err("the disk is made of cheese".to_owned()));
    }
}
