//! The download phase: the input volumes of a run are fetched into `inputs/`, within a time limit.

use chutes_core::{Ending, Failure, InputVolumes, Phase};

use super::cancel::{CancelHandle, Urgency};
use super::directory::RunRoot;
use super::lifecycle::Lifecycle;
use super::user_code::StopReason;

#[cfg_attr(not(feature = "http"), path = "download/absent.rs")]
mod fetch;

pub(super) use self::fetch::{FetchSettings, settings, volumes_missing};

/// The volumes that are fetched before user code begins, and the settings for it.
pub(super) struct Downloads {
    pub(super) volumes: InputVolumes,
    pub(super) settings: FetchSettings,
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
        let reason = tokio::select! {
            biased;
            fetched = fetch::fetch(self, root, lifecycle) => return fetched.map_err(ending),
            () = cancel.reached(Urgency::Graceful) => StopReason::Cancelled,
            () = lifecycle.limit_reached() => StopReason::TimeLimit,
        };
        let message = reason.in_words(Phase::Download, lifecycle.limit());
        Err(ending(Failure::new(reason.kind(), message)))
    }
}

fn ending(failure: Failure) -> Ending {
    Ending::from_failure(failure.in_phase(Phase::Download))
}
