//! Fetches the input volumes of a run.

use chutes_core::{CacheRequest, Failure};
use chutes_transfer::AddressPolicy;
use chutes_volumes::{Settings, VolumeError};
use tokio_util::sync::CancellationToken;

use super::Downloads;
use crate::directory::{INPUTS, RunRoot};
use crate::lifecycle::Lifecycle;
use crate::{Supervisor, fault};

/// Why the volumes of a run cannot be fetched: with this feature they always can.
pub(crate) fn volumes_missing(_: &Supervisor) -> Option<&'static str> {
    None
}

/// Checks what the environment says of volumes, before a run is made.
///
/// # Errors
///
/// With what cannot be understood.
pub fn check_volume_settings() -> Result<(), String> {
    Settings::from_environment().map(drop).map_err(|error| error.to_string())
}

/// How volumes are fetched: as the environment says, with the cache that is asked for.
fn settings(cache: &CacheRequest, addresses: &AddressPolicy) -> Result<Settings, VolumeError> {
    let mut settings = Settings::from_environment()?;
    settings.addresses = addresses.clone();
    if let Some(kept) = &mut settings.cache {
        if let Some(dir) = &cache.dir {
            kept.dir.clone_from(dir);
        }
        kept.max_bytes = cache.size.unwrap_or(kept.max_bytes);
    }
    if !cache.enabled {
        settings.cache = None;
    }
    if let Some(times) = fault::download_retries() {
        settings.retry.delays = settings.retry.delays.with_max_times(times);
    }
    Ok(settings)
}

/// Fetches all volumes into `inputs/`.
pub(super) async fn fetch(
    downloads: &Downloads,
    root: &RunRoot,
    lifecycle: &Lifecycle,
) -> Result<(), Failure> {
    let failed = |error: VolumeError| Failure::new(error.kind, error.message);
    let inputs = root.open_dir(INPUTS).map_err(|error| {
        failed(VolumeError::platform(format!("cannot open `inputs/`: {error}")))
    })?;
    let settings = settings(&downloads.cache, &downloads.addresses).map_err(failed)?;
    let (stop, events) = (CancellationToken::new(), lifecycle.events());
    let fetching =
        chutes_volumes::fetch(&downloads.volumes, inputs, &settings, &events, stop.clone());
    // What is dropped here stops: nothing goes on in the background.
    let _stop = stop.drop_guard();
    fetching.await.map_err(failed)
}
