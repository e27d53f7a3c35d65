//! Stands for input volumes in a program that was built without them.

use std::convert::Infallible;

use chutes_core::{Ending, FailureKind};

use super::{Downloads, of_kind};
use crate::address::AddressPolicy;
use crate::run::Run;
use crate::run::directory::RunRoot;
use crate::run::lifecycle::Lifecycle;

/// How volumes are fetched. They are not.
pub(in crate::run) type VolumeSettings = Infallible;

/// Why a run has no inputs.
const MISSING: &str = "this program was built without input volumes: enable the feature `http` of the crate \
                       `chutes`";

/// Why the volumes of a run cannot be fetched, if it has any.
pub(in crate::run) fn volumes_missing(run: &Run) -> Option<&'static str> {
    (!run.spec.input_volumes.is_empty()).then_some(MISSING)
}

/// There are no settings.
pub(in crate::run) fn with_addresses(settings: VolumeSettings, _: AddressPolicy) -> VolumeSettings {
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
