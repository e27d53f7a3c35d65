//! The download phase: the input volumes of a run are fetched into `inputs/`, within a time limit.

use chutes_core::{CacheRequest, Ending, Failure, FailureKind, HumanDuration, InputVolumes, Phase};

use chutes_transfer::AddressPolicy;

use super::cancel::{CancelHandle, Urgency};
use super::directory::RunRoot;
use super::lifecycle::Lifecycle;

#[cfg_attr(not(feature = "http"), path = "download/absent.rs")]
mod fetch;

pub use self::fetch::check_volume_settings;
pub(super) use self::fetch::volumes_missing;

/// The volumes that are fetched before user code begins, and the settings for it.
pub(super) struct Downloads {
    pub(super) volumes: InputVolumes,
    pub(super) cache: CacheRequest,
    /// Which addresses the spec may name.
    pub(super) addresses: AddressPolicy,
}

impl Downloads {
    /// Fetches all volumes. The error is the ending of a run whose download failed, was cancelled or reached its
    /// limit.
    pub(super) async fn run(
        &self,
        root: &RunRoot,
        cancel: &CancelHandle,
        lifecycle: &Lifecycle,
    ) -> Result<(), Ending> {
        tokio::select! {
            biased;
            fetched = fetch::fetch(self, root, lifecycle) => fetched,
            () = cancel.reached(Urgency::Graceful) => {
                let failure = Failure::new(FailureKind::Cancelled, "the run was cancelled");
                Err(Ending::Cancelled(failure.in_phase(Phase::Download)))
            }
            () = lifecycle.limit_reached() => {
                let limit = lifecycle.limit().map(|limit| format!(" of {}", HumanDuration(limit)));
                let limit = limit.unwrap_or_default();
                let message = format!("the download phase reached its limit{limit}");
                let failure = Failure::new(FailureKind::TimeLimit, message);
                Err(Ending::TimedOut(failure.in_phase(Phase::Download)))
            }
        }
    }
}

/// The ending for a failure of this kind.
pub(super) fn of_kind(kind: FailureKind, message: String) -> Ending {
    let failure = Failure::new(kind, message).in_phase(Phase::Download);
    match kind {
        FailureKind::Platform => Ending::PlatformFailed(failure),
        _ => Ending::Failed(failure),
    }
}
