//! The end of a fetch, for all that is under way: futures stop waiting, and work in threads sees a flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use chutes_transfer::TransferError;
use tokio_util::sync::CancellationToken;

use super::VolumeError;

/// Ends what is under way in a fetch. Clones belong to the same fetch.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchAbort {
    token: CancellationToken,
    flag: Arc<AtomicBool>,
    /// The error that ended everything.
    reason: Arc<OnceLock<VolumeError>>,
}

/// Ends everything when it is dropped.
pub(crate) struct AbortOnDrop(FetchAbort);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl FetchAbort {
    /// Ends everything.
    pub(crate) fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.token.cancel();
    }

    /// Ends everything because of an error. Of several, the first one counts: the others may come from
    /// the end itself.
    pub(crate) fn fail(&self, error: VolumeError) {
        self.reason.get_or_init(|| error);
        self.set();
    }

    /// The error that has ended everything, if one has.
    pub(crate) fn reason(&self) -> Option<VolumeError> {
        self.reason.get().cloned()
    }

    /// Ends everything when the guard is dropped.
    pub(crate) fn on_drop(&self) -> AbortOnDrop {
        AbortOnDrop(self.clone())
    }

    /// Waits, perhaps for ever, until everything ends.
    pub(crate) async fn reached(&self) -> TransferError {
        self.token.cancelled().await;
        stopped().into()
    }

    /// Waits for something that may be dropped at any time.
    pub(crate) async fn unless<T>(&self, what: impl Future<Output = T>) -> Result<T, VolumeError> {
        tokio::select! {
            biased;
            () = self.token.cancelled() => Err(stopped()),
            value = what => Ok(value),
        }
    }

    /// Does work in a thread where it may block, and waits for its end in any case, so that nothing goes on
    /// afterwards.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, VolumeError> {
        let flag = self.flag.clone();
        let task = tokio::task::spawn_blocking(move || {
            check(&flag)?;
            work(&flag)
        });
        task.await.unwrap_or_else(|error| {
            let message = format!("work on a volume ended early, a fault of chutes: {error}");
            Err(VolumeError::platform(message))
        })
    }
}

/// Called between pieces of work in a thread.
pub(crate) fn check(flag: &AtomicBool) -> Result<(), VolumeError> {
    if flag.load(Ordering::Relaxed) { Err(stopped()) } else { Ok(()) }
}

/// The error of what was stopped.
pub(crate) fn stopped() -> VolumeError {
    VolumeError::download_failed("fetching was stopped before it was done")
}
