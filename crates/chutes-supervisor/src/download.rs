//! The download phase: the input volumes of a run are fetched into `inputs/`, within a time limit.

use std::pin::pin;
use std::time::Duration;

use chutes_core::{Ending, Failure, FailureKind, HumanDuration, InputVolumes, Phase};
use chutes_transfer::OngoingTransfers;

use super::cancel::{CancelHandle, Urgency};
use super::directory::RunRoot;
use super::lifecycle::Lifecycle;
use super::user_code::StopReason;

#[cfg_attr(not(feature = "http"), path = "download/absent.rs")]
mod fetch;

pub(super) use self::fetch::{FetchSettings, check_inline_zip, settings, volumes_missing};

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
        let ongoing = OngoingTransfers::default();
        let mut fetching = pin!(fetch::fetch(self, root, lifecycle, &ongoing));
        let reason = tokio::select! {
            biased;
            fetched = &mut fetching => {
                return fetched.map_err(|failure| ending(in_time(failure, lifecycle.limit())));
            }
            () = cancel.reached(Urgency::Graceful) => StopReason::Cancelled,
            () = lifecycle.limit_reached() => StopReason::TimeLimit,
        };
        // Before the fetch is dropped, which ends what is going on.
        let unfinished = ongoing.summary().filter(|_| reason == StopReason::TimeLimit);
        let message = reason.in_words(Phase::Download, lifecycle.limit());
        let message = match unfinished {
            Some(unfinished) => format!("{message}: {unfinished}"),
            None => message,
        };
        Err(ending(Failure::new(reason.kind(), message)))
    }
}

/// The failure of a fetch, with the limit if it ended because another attempt would have come too late.
fn in_time(failure: Failure, limit: Option<Duration>) -> Failure {
    match (failure.kind, limit) {
        (FailureKind::TimeLimit, Some(limit)) => {
            let (limit, phase) = (HumanDuration(limit), Phase::Download);
            let message = format!(
                "the {phase} phase cannot end within its limit of {limit}: {}",
                failure.message
            );
            Failure { message, ..failure }
        }
        _ => failure,
    }
}

fn ending(failure: Failure) -> Ending {
    Ending::from_failure(failure.in_phase(Phase::Download))
}
