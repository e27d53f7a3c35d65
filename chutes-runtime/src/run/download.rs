//! The download phase: the input volumes of a run are put into `inputs/`, within their limit.

use chutes_core::{Ending, Failure, FailureKind, HumanDuration, InputVolumes, Phase};

use super::cancel::{CancelHandle, Urgency};
use super::directory::RunRoot;
use super::lifecycle::Lifecycle;

/// What is fetched before user code begins, and how.
pub(super) struct Downloads {
    pub(super) volumes: InputVolumes,
    /// `None` is what the environment says.
    #[cfg(feature = "volumes")]
    pub(super) settings: Option<crate::volume::Settings>,
}

impl Downloads {
    /// Fetches everything. A run that is asked to stop, or whose time is over, ends here.
    pub(super) async fn run(
        &self,
        root: &RunRoot,
        cancel: &CancelHandle,
        lifecycle: &Lifecycle,
    ) -> Result<(), Ending> {
        tokio::select! {
            biased;
            fetched = self.fetch(root, lifecycle) => fetched,
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

    #[cfg(feature = "volumes")]
    async fn fetch(&self, root: &RunRoot, lifecycle: &Lifecycle) -> Result<(), Ending> {
        use tokio_util::sync::CancellationToken;

        use crate::volume::{self, Settings, VolumeError};

        let failed = |error: VolumeError| of_kind(error.kind, error.message);
        let inputs = root.inputs().map_err(|error| {
            failed(VolumeError::of_platform(format!("cannot open `inputs/`: {error}")))
        })?;
        let of_environment;
        let settings = if let Some(settings) = &self.settings {
            settings
        } else {
            of_environment = Settings::from_environment().map_err(failed)?;
            &of_environment
        };
        let (stop, events) = (CancellationToken::new(), lifecycle.events());
        let fetching = volume::fetch(&self.volumes, inputs, settings, &events, stop.clone());
        // What is dropped here stops: nothing goes on behind our back.
        let _stop = stop.drop_guard();
        fetching.await.map_err(failed)
    }

    #[cfg(not(feature = "volumes"))]
    #[expect(clippy::unused_self, reason = "with volumes it is used")]
    fn fetch(&self, _: &RunRoot, _: &Lifecycle) -> std::future::Ready<Result<(), Ending>> {
        std::future::ready(Err(of_kind(
            FailureKind::InvalidSpec,
            super::supervise::NO_VOLUMES.into(),
        )))
    }
}

fn of_kind(kind: FailureKind, message: String) -> Ending {
    let failure = Failure::new(kind, message).in_phase(Phase::Download);
    match kind {
        FailureKind::Platform => Ending::HordeFailed(failure),
        _ => Ending::Failed(failure),
    }
}
