//! More time for user code, within what its job declares.

use std::time::Duration;

use chutes_core::HumanDuration;
use tokio::sync::watch;

/// Gives user code of one run more time. Clones are for the same run.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    /// A longer limit of the execute phase, once there is one.
    pub(crate) limit: watch::Sender<Option<Duration>>,
    /// The limit that the job declares.
    pub(crate) declared: Option<Duration>,
}

impl Extension {
    /// See [`crate::Supervised::extend`].
    pub(crate) fn extend(&self, limit: Duration) -> Result<(), ExtensionTooLong> {
        if let Some(declared) = self.declared.filter(|declared| *declared < limit) {
            return Err(ExtensionTooLong { declared });
        }
        self.limit.send_replace(Some(limit));
        Ok(())
    }
}

/// More time than the job declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run may not take longer than its job declares: {}", HumanDuration(*declared))]
pub struct ExtensionTooLong {
    /// The limit of the job.
    pub declared: Duration,
}
