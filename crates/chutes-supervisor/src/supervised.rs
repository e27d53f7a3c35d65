//! An attempt that is supervised beside whatever else its program does.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chutes_core::{Event, HumanDuration, Outcome, TimeLimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot, watch};

use crate::cancel::{CancelHandle, Urgency};
use crate::directory::RunDirectory;
use crate::observer::Observer;
use crate::supervisor::CreatedRun;
use crate::worker::StartWorker;

/// How many events are kept for a follower that is behind.
const KEPT_EVENTS: usize = 1_024;

impl CreatedRun {
    /// Starts the worker, and takes the attempt to its outcome on a thread of its own, which is the
    /// supervisor. The thread goes on when the handle is dropped, and lives until the outcome is there, as
    /// the kernel demands of the thread that starts a worker process.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be started. Then `recover` finishes the attempt, which has not
    /// run any user code.
    pub fn start(mut self, worker: impl StartWorker + 'static) -> io::Result<Supervised> {
        let (events, _) = broadcast::channel(KEPT_EVENTS);
        let observer = Arc::clone(&self.attempt.observer);
        self.attempt.observer = Arc::new(Published { observer, events: events.clone() });
        let (cancel, extension) = (self.attempt.cancel.clone(), self.attempt.extension.clone());
        let declared = self.attempt.contract.as_ref().and_then(|contract| contract.timeout);
        let declared = declared.map(TimeLimit::duration);
        let directory = self.directory.clone();
        let runtime = runtime(self.attempt.has_transfers())?;
        let (sender, outcome) = oneshot::channel();
        thread::Builder::new().name("chutes supervisor".to_owned()).spawn(move || {
            let outcome = runtime.block_on(self.supervise(worker));
            // The handle may be gone; the journal has the outcome.
            let _ = sender.send(outcome);
        })?;
        let events = events.downgrade();
        Ok(Supervised { directory, events, cancel, extension, declared, outcome })
    }
}

/// The runtime of a supervisor: sending and fetching files is work for several threads; without them one does.
///
/// # Errors
///
/// When the system refuses what a runtime needs.
pub fn runtime(has_transfers: bool) -> io::Result<Runtime> {
    if has_transfers {
        Builder::new_multi_thread().worker_threads(2).enable_all().build()
    } else {
        Builder::new_current_thread().enable_all().build()
    }
}

/// Passes events on to followers as well.
struct Published {
    observer: Arc<dyn Observer>,
    events: broadcast::Sender<Event>,
}

impl Observer for Published {
    fn on_event(&self, event: &Event) {
        self.observer.on_event(event);
        // Without followers there is nothing to send to.
        let _ = self.events.send(event.clone());
    }
}

/// An attempt that is supervised on a thread of its own. Dropping this leaves the attempt alone.
#[derive(Debug)]
pub struct Supervised {
    directory: RunDirectory,
    /// Weak, so that followers see the end.
    events: broadcast::WeakSender<Event>,
    cancel: CancelHandle,
    extension: watch::Sender<Option<Duration>>,
    declared: Option<Duration>,
    outcome: oneshot::Receiver<Outcome>,
}

impl Supervised {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Follows what happens from now on. The journal has what happened before.
    #[must_use]
    pub fn follow(&self) -> Follower {
        let events = match self.events.upgrade() {
            Some(events) => events.subscribe(),
            // The attempt has ended, and so has what there is to follow.
            None => broadcast::channel(1).1,
        };
        Follower { events }
    }

    /// Asks the attempt to stop. Asking again more urgently has an effect, asking less urgently has none.
    pub fn cancel(&self, urgency: Urgency) {
        self.cancel.ask(urgency);
    }

    /// Gives user code more time: sets the limit of the execute phase, counted from the beginning of that
    /// phase, to this. A limit that is not longer than the present one changes nothing.
    ///
    /// # Errors
    ///
    /// When the job declares a shorter limit.
    pub fn extend(&self, limit: Duration) -> Result<(), ExtensionTooLong> {
        if let Some(declared) = self.declared.filter(|declared| *declared < limit) {
            return Err(ExtensionTooLong { declared });
        }
        self.extension.send_replace(Some(limit));
        Ok(())
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    ///
    /// When the thread of the supervisor has panicked, which is a fault of chutes. `recover` finishes the
    /// attempt.
    pub async fn outcome(self) -> Result<Outcome, LostSupervisor> {
        self.outcome.await.map_err(|_| LostSupervisor)
    }
}

/// Receives the events of an attempt.
#[derive(Debug)]
pub struct Follower {
    events: broadcast::Receiver<Event>,
}

impl Follower {
    /// The next event; `None` after the last. A follower that is more than 1,024 events behind misses the
    /// oldest of them, which their numbers show.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// More time than the job declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run may not take longer than its job declares: {}", HumanDuration(*declared))]
pub struct ExtensionTooLong {
    /// The limit of the job.
    pub declared: Duration,
}

/// The supervisor of an attempt is gone without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor of the run ended without an outcome; `recover` finishes the run")]
pub struct LostSupervisor;

#[cfg(test)]
mod tests {
    use chutes_core::{EndStatus, Json, RunEvent};

    use super::*;
    use crate::testing::{Function, attempt, leaves_a_word};

    #[tokio::test]
    async fn a_follower_sees_the_outcome_that_is_returned() {
        let folder = tempfile::tempdir().unwrap();
        let created = attempt(&folder.path().join("run"), true, Vec::new()).create().unwrap();
        let supervised = created.start(Function(leaves_a_word)).unwrap();
        let (directory, mut follower) = (supervised.directory().clone(), supervised.follow());
        let outcome = supervised.outcome().await.unwrap();
        assert_eq!(outcome.status(), EndStatus::Completed);
        let mut last = None;
        while let Some(event) = follower.next().await {
            last = Some(event);
        }
        // It may have come too late for everything but that: the sender is gone.
        if let Some(RunEvent::Outcome { outcome: seen }) = last.map(|event| event.what) {
            assert_eq!(*seen, outcome);
        }
        assert_eq!(std::fs::read_to_string(directory.outputs().join("word.txt")).unwrap(), "word");
    }

    #[test]
    fn a_job_needs_its_own_contract() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let request = attempt(&path, true, Vec::new()).request().clone();
        let error = crate::Supervisor::new(request).create().unwrap_err();
        assert!(error.to_string().contains("not that of `leaves_a_word`"), "{error}");
        let mut other = attempt(&path, true, Vec::new());
        other.request_mut().spec.work =
            chutes_core::JobSpec::job(chutes_core::JobName::new("b").unwrap(), Json::null()).work;
        assert!(other.create().is_err() && !path.exists());
    }

    #[tokio::test]
    async fn cancelled_before_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let created = attempt(&folder.path().join("run"), true, Vec::new()).create().unwrap();
        created.attempt.cancel_handle().cancel();
        let supervised = created.start(Function(leaves_a_word)).unwrap();
        supervised.cancel(Urgency::Now);
        let outcome = supervised.outcome().await.unwrap();
        assert_eq!(outcome.status(), EndStatus::Cancelled);
    }
}
