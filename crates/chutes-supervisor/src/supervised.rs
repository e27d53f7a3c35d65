//! An attempt that is supervised beside whatever else its program does.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chutes_core::Outcome;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::cancel::{CancelHandle, Urgency};
use crate::directory::{RunDirectory, RunRoot};
use crate::extension::{Extension, ExtensionTooLong};
use crate::run_log::{Follower, WeakLog};
use crate::supervisor::CreatedRun;
use crate::worker::StartWorker;

impl CreatedRun {
    /// Starts the worker, and takes the attempt to its outcome on a thread of its own, which is the
    /// supervisor. The thread goes on when the handle is dropped, and lives until the outcome is there, as
    /// the kernel demands of the thread that starts a worker process.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be started. Then `recover` finishes the attempt, which has not
    /// run any user code.
    pub fn start(self, worker: impl StartWorker + 'static) -> io::Result<Supervised> {
        let (root, log) = (Arc::clone(&self.root), self.log.clone());
        let (cancel, extension) = (self.attempt.cancel.clone(), self.extension());
        let directory = self.directory.clone();
        let runtime = runtime(self.attempt.has_transfers())?;
        let (sender, outcome) = oneshot::channel();
        thread::Builder::new().name("chutes supervisor".to_owned()).spawn(move || {
            let outcome = runtime.block_on(self.supervise(worker));
            // The handle may be gone; the journal has the outcome.
            let _ = sender.send(outcome);
        })?;
        let log = log.downgrade();
        Ok(Supervised { directory, root, log, cancel, extension, outcome })
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

/// An attempt that is supervised on a thread of its own. Dropping this leaves the attempt alone.
#[derive(Debug)]
pub struct Supervised {
    directory: RunDirectory,
    root: Arc<RunRoot>,
    /// Weak, so that the file is unlocked when the attempt has ended.
    log: WeakLog,
    cancel: CancelHandle,
    extension: Extension,
    outcome: oneshot::Receiver<Outcome>,
}

impl Supervised {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Follows what happens, from the beginning: first the facts until now, as the log of the run has them.
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.follow_from(1)
    }

    /// Follows what happens, from the fact of this number on. 1 is the first.
    #[must_use]
    pub fn follow_from(&self, number: u64) -> Follower {
        self.log.follow(number).unwrap_or_else(|| Follower::of_ended(&self.root, number))
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
        self.extension.extend(limit)
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
        let mut events = Vec::new();
        while let Some(event) = follower.next().await {
            events.push(event);
        }
        let numbers = events.iter().filter_map(|event| event.seq);
        assert!(numbers.eq(1..=events.iter().filter(|event| event.seq.is_some()).count() as u64));
        assert!(matches!(events[0].what, RunEvent::Run { .. }));
        let last = RunEvent::Outcome { outcome: Box::new(outcome) };
        assert_eq!(events.last().unwrap().what, last);
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
