//! Replaces input volumes in a program that was built without the feature.

use chutes_core::{Failure, FailureKind, RunRequest};
use chutes_transfer::{AddressPolicy, OngoingTransfers};

use super::Downloads;
use crate::Supervisor;
use crate::directory::RunRoot;
use crate::lifecycle::Lifecycle;

/// Why a run has no inputs.
const MISSING: &str = "this program was built without input volumes: enable the feature `http` of the crate \
                       `chutes`";

/// Why the volumes of a run cannot be fetched, if it has any.
pub(crate) fn volumes_missing(run: &Supervisor) -> Option<&'static str> {
    (!run.request.spec.input_volumes.is_empty()).then_some(MISSING)
}

/// How volumes are fetched: not at all.
pub(crate) type FetchSettings = ();

/// Nothing is read from the environment.
#[expect(clippy::unnecessary_wraps, reason = "the part that this stands for may fail")]
pub(crate) const fn settings(_: &RunRequest, _: &AddressPolicy) -> Result<FetchSettings, String> {
    Ok(())
}

/// Fails: a run with volumes was refused before.
pub(super) fn fetch(
    downloads: &Downloads,
    _: &RunRoot,
    _: &Lifecycle,
    _: &OngoingTransfers,
) -> std::future::Ready<Result<(), Failure>> {
    let (_, ()) = (&downloads.volumes, downloads.settings);
    std::future::ready(Err(Failure::new(FailureKind::InvalidSpec, MISSING)))
}
