//! Asking a run to stop, and how urgently.

use std::sync::{Arc, OnceLock};

pub use chutes_core::Urgency;
use tokio::sync::watch;

/// Asks a run to stop. Clones ask the same run.
///
/// Asking decides nothing by itself: a job that has ended already stays as it ended.
///
/// ```
/// use chutes::contract::JobName;
/// use chutes::data::Json;
/// use chutes::request::RunRequest;
/// use chutes::spec::JobSpec;
/// use chutes::supervisor::Supervisor;
///
/// let spec = JobSpec::job(JobName::new("train")?, Json::empty_object());
/// let attempt = Supervisor::new(RunRequest::new(Supervisor::new_id(), spec, "runs/first"));
/// let cancel = attempt.cancel_handle();
/// cancel.cancel();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CancelHandle {
    sender: watch::Sender<Urgency>,
    /// Why, if the first one that has asked says so.
    reason: Arc<OnceLock<String>>,
}

impl Default for CancelHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl CancelHandle {
    /// A handle that belongs to no run yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: watch::Sender::new(Urgency::None), reason: Arc::default() }
    }

    /// Asks the run to stop this urgently. Less urgently than before changes nothing.
    pub fn ask(&self, urgency: Urgency) {
        self.raise(|before| before.max(urgency));
    }

    /// Asks the run to stop, and says why: a fragment, which is a cause of the failure in the outcome. Only the first
    /// reason counts.
    pub fn ask_because(&self, urgency: Urgency, reason: String) {
        let _ = self.reason.set(reason);
        self.ask(urgency);
    }

    /// Why the run is asked to stop, if that was said.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Asks the run to stop: the context of the job is cancelled, and the job has its grace (default 30 seconds). Asking again
    /// changes nothing.
    pub fn cancel(&self) {
        self.ask(Urgency::Graceful);
    }

    /// Asks more urgently each time, as repeated Ctrl-C does: first with grace, then without, then
    /// without waiting for the outputs to be collected.
    ///
    /// ```
    /// use chutes::run::CancelHandle;
    /// use chutes::supervisor::Urgency;
    ///
    /// let cancel = CancelHandle::new();
    /// cancel.cancel_harder();
    /// cancel.cancel_harder();
    /// assert_eq!(cancel.urgency(), Urgency::Now);
    /// ```
    pub fn cancel_harder(&self) {
        self.raise(|urgency| match urgency {
            Urgency::None => Urgency::Graceful,
            Urgency::Graceful => Urgency::Now,
            Urgency::Now | Urgency::GiveUp => Urgency::GiveUp,
        });
    }

    fn raise(&self, change: impl FnOnce(Urgency) -> Urgency) {
        self.sender.send_if_modified(|urgency| {
            let changed = change(*urgency);
            std::mem::replace(urgency, changed) != changed
        });
    }

    /// How urgently the run is asked to stop.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        *self.sender.borrow()
    }

    /// Waits until the run is asked to stop with at least this urgency.
    pub async fn reached(&self, urgency: Urgency) {
        self.wait_for(|now| now >= urgency).await;
    }

    /// Waits until the run is asked to stop more urgently than this.
    pub(crate) async fn raised_above(&self, urgency: Urgency) {
        self.wait_for(|now| now > urgency).await;
    }

    async fn wait_for(&self, mut is_met: impl FnMut(Urgency) -> bool) {
        let mut receiver = self.sender.subscribe();
        if receiver.wait_for(|now| is_met(*now)).await.is_err() {
            // The sender is part of this handle, so it cannot be gone.
            std::future::pending::<()>().await;
        }
    }
}
