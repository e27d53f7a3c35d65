//! Fetching the volumes of a run.

use std::path::PathBuf;

use chutes_core::Ending;
use chutes_transfer::AddressPolicy;
use chutes_volumes::VolumeError;
use tokio_util::sync::CancellationToken;

use super::{Downloads, of_kind};
use crate::directory::{INPUTS, RunRoot};
use crate::lifecycle::Lifecycle;
use crate::{Supervisor, fault};
pub use chutes_volumes::Settings as VolumeSettings;

/// Why the volumes of a run cannot be fetched. They can.
pub(crate) fn volumes_missing(_: &Supervisor) -> Option<&'static str> {
    None
}

/// Settings for a cache that is asked for, and otherwise as the environment says. What is `None` is as the
/// environment says, too.
///
/// # Errors
///
/// When the environment cannot be understood.
pub fn volume_settings(
    cache_dir: Option<PathBuf>,
    cache_bytes: Option<u64>,
    has_cache: bool,
) -> Result<Option<VolumeSettings>, VolumeError> {
    let mut settings = VolumeSettings::from_environment()?;
    if let Some(cache) = &mut settings.cache {
        cache.dir = cache_dir.unwrap_or_else(|| std::mem::take(&mut cache.dir));
        cache.max_bytes = cache_bytes.unwrap_or(cache.max_bytes);
    }
    if !has_cache {
        settings.cache = None;
    }
    if let Some(times) = fault::download_retries() {
        settings.retry.delays = settings.retry.delays.with_max_times(times);
    }
    Ok(Some(settings))
}

/// The same settings with these addresses that a spec may name.
pub(crate) fn with_addresses(settings: VolumeSettings, addresses: AddressPolicy) -> VolumeSettings {
    VolumeSettings { addresses, ..settings }
}

/// Puts all volumes into `inputs/`.
pub(super) async fn fetch(
    downloads: &Downloads,
    root: &RunRoot,
    lifecycle: &Lifecycle,
) -> Result<(), Ending> {
    let failed = |error: VolumeError| of_kind(error.kind, error.message);
    let inputs = root.open_dir(INPUTS).map_err(|error| {
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
    let fetching =
        chutes_volumes::fetch(&downloads.volumes, inputs, settings, &events, stop.clone());
    // What is dropped here stops: nothing goes on behind our back.
    let _stop = stop.drop_guard();
    fetching.await.map_err(failed)
}
