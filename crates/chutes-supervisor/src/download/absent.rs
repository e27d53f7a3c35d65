//! Stands for input volumes in a program that was built without them.

use std::convert::Infallible;
use std::path::PathBuf;

use chutes_core::{Ending, FailureKind};
use chutes_transfer::AddressPolicy;

use super::{Downloads, of_kind};
use crate::Supervisor;
use crate::directory::RunRoot;
use crate::lifecycle::Lifecycle;

/// How volumes are fetched. They are not.
pub type VolumeSettings = Infallible;

/// Why a run has no inputs.
const MISSING: &str = "this program was built without input volumes: enable the feature `http` of the crate \
                       `chutes`";

/// Why the volumes of a run cannot be fetched, if it has any.
pub fn volumes_missing(run: &Supervisor) -> Option<&'static str> {
    (!run.spec.input_volumes.is_empty()).then_some(MISSING)
}

/// There are no settings.
///
/// # Errors
///
/// None.
pub fn volume_settings(
    _: Option<PathBuf>,
    _: Option<u64>,
    _: bool,
) -> Result<Option<VolumeSettings>, Infallible> {
    Ok(None)
}

/// There are no settings.
pub fn with_addresses(settings: VolumeSettings, _: AddressPolicy) -> VolumeSettings {
    settings
}

/// A run with volumes was refused before.
pub(super) fn fetch(
    _: &Downloads,
    _: &RunRoot,
    _: &Lifecycle,
) -> std::future::Ready<Result<(), Ending>> {
    std::future::ready(Err(of_kind(FailureKind::InvalidSpec, MISSING.into())))
}
