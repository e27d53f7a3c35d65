//! Replaces input volumes in a program that was built without the feature.

use chutes_core::{Failure, FailureKind, InlineZip, RunRequest, missing};
use chutes_transfer::{AddressPolicy, OngoingTransfers};

use super::Downloads;
use crate::Supervisor;
use crate::directory::RunRoot;
use crate::lifecycle::Lifecycle;

/// Accepts all zip files: a run with volumes is refused later.
#[expect(clippy::unnecessary_wraps, reason = "the part that this stands for may fail")]
pub(crate) const fn check_inline_zip(_: &InlineZip) -> Result<(), String> {
    Ok(())
}

/// Why the volumes of a run cannot be fetched, if it has any.
pub(crate) fn volumes_missing(run: &Supervisor) -> Option<String> {
    (!run.request.spec.input_volumes.is_empty()).then(absent)
}

/// Why a run has no inputs.
fn absent() -> String {
    missing::part("input volumes", "http")
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
    std::future::ready(Err(Failure::new(FailureKind::InvalidSpec, absent())))
}
