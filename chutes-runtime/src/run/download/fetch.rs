//! Fetching the volumes of a run.

use chutes_core::Ending;
use tokio_util::sync::CancellationToken;

use super::{Downloads, of_kind};
use crate::address::AddressPolicy;
use crate::run::Run;
use crate::run::directory::RunRoot;
use crate::run::lifecycle::Lifecycle;
pub(in crate::run) use crate::volume::Settings as VolumeSettings;
use crate::volume::{self, VolumeError};

/// Why the volumes of a run cannot be fetched. They can.
pub(in crate::run) fn volumes_missing(_: &Run) -> Option<&'static str> {
    None
}

/// The same settings with these addresses that a spec may name.
pub(in crate::run) fn with_addresses(
    settings: VolumeSettings,
    addresses: AddressPolicy,
) -> VolumeSettings {
    VolumeSettings { addresses, ..settings }
}

/// Puts all volumes into `inputs/`.
pub(super) async fn fetch(
    downloads: &Downloads,
    root: &RunRoot,
    lifecycle: &Lifecycle,
) -> Result<(), Ending> {
    let failed = |error: VolumeError| of_kind(error.kind, error.message);
    let inputs = root.inputs().map_err(|error| {
        failed(VolumeError::platform(format!("cannot open `inputs/`: {error}")))
    })?;
    let of_environment;
    let settings = if let Some(settings) = &downloads.settings {
        settings
    } else {
        of_environment = VolumeSettings::from_environment().map_err(failed)?;
        &of_environment
    };
    let (stop, events) = (CancellationToken::new(), lifecycle.events());
    let fetching = volume::fetch(&downloads.volumes, inputs, settings, &events, stop.clone());
    // What is dropped here stops: nothing goes on behind our back.
    let _stop = stop.drop_guard();
    fetching.await.map_err(failed)
}
