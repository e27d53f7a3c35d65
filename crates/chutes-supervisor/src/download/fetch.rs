//! Fetches the input volumes of a run.

use chutes_core::{Failure, InlineZip, RunRequest};
use chutes_transfer::{AddressPolicy, OngoingTransfers};
pub(crate) use chutes_volumes::Settings as FetchSettings;
use chutes_volumes::{FetchControl, VolumeError};
use tokio_util::sync::CancellationToken;

use super::Downloads;
use crate::directory::{INPUTS, RunRoot};
use crate::lifecycle::Lifecycle;
use crate::{Supervisor, fault};

/// Checks the zip file of an inline volume as it is unpacked.
pub(crate) fn check_inline_zip(zip: &InlineZip) -> Result<(), String> {
    chutes_volumes::check_inline_zip(zip).map_err(|error| error.message)
}

/// Why the volumes of a run cannot be fetched: with this feature they always can.
pub(crate) fn volumes_missing(_: &Supervisor) -> Option<String> {
    None
}

/// How volumes are fetched: as the environment says, with the cache that is asked for. The error says what of the
/// environment cannot be understood.
pub(crate) fn settings(
    request: &RunRequest,
    addresses: &AddressPolicy,
) -> Result<FetchSettings, String> {
    let mut settings = FetchSettings::from_environment().map_err(|error| error.to_string())?;
    settings.addresses = addresses.clone();
    let cache = &request.cache;
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
    ongoing: &OngoingTransfers,
) -> Result<(), Failure> {
    let failed = |error: VolumeError| Failure::new(error.kind, error.message);
    let inputs = root.open_dir(INPUTS).map_err(|error| {
        failed(VolumeError::platform(format!("cannot open `inputs/`: {error}")))
    })?;
    let (stop, events) = (CancellationToken::new(), lifecycle.events());
    let (deadline, ongoing) = (lifecycle.deadline(), ongoing.clone());
    let control = FetchControl { stop: stop.clone(), deadline, ongoing };
    let Downloads { volumes, settings } = downloads;
    let fetching = chutes_volumes::fetch(volumes, inputs, settings, &events, control);
    // What is dropped here stops: nothing goes on in the background.
    let _stop = stop.drop_guard();
    fetching.await.map_err(failed)
}
