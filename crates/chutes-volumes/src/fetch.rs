//! All volumes of a run, several at a time.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use cap_std::fs::Dir;
use chutes_core::{
    Escaped, EventReporter, HttpUrl, HubRepository, InputVolume, InputVolumes, MountedVolume,
    RelativePath, RunEvent, Sha256Digest,
};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::abort::{FetchAbort, stopped};
use crate::cache::Cache;
use crate::file::Fetcher;
use crate::http::{Client, Request};
use crate::hub::HubFile;
use crate::progress::Progress;
use crate::{CacheSettings, FetchControl, Settings, VolumeError, hub, inputs, unpack};

/// Puts all volumes into their places below `inputs`.
///
/// Volumes whose places have nothing to do with each other are fetched at the same time; of others,
/// the outer comes before the inner, and those of one place come in their order. When this returns,
/// nothing goes on any more, however it ended.
///
/// # Errors
///
/// The first error of any volume; the others are stopped then. When `control.stop` is cancelled, all are.
#[must_use = "nothing happens before it is awaited"]
pub fn fetch<'a>(
    volumes: &'a InputVolumes,
    inputs: Dir,
    settings: &'a Settings,
    events: &'a EventReporter,
    control: FetchControl,
) -> BoxFuture<'a, Result<(), VolumeError>> {
    Box::pin(fetch_all(volumes, inputs, settings, events, control))
}

async fn fetch_all(
    volumes: &InputVolumes,
    inputs: Dir,
    settings: &Settings,
    events: &EventReporter,
    control: FetchControl,
) -> Result<(), VolumeError> {
    if volumes.is_empty() {
        return Ok(());
    }
    let abort = FetchAbort::default();
    let _abort_on_drop = abort.on_drop();
    let fetcher = Fetcher {
        inputs: Arc::new(inputs),
        client: Client::new(settings, &abort)?.controlled(&control),
        cache: open_cache(settings.cache.as_ref(), &abort, events).await?,
        permits: Semaphore::new(settings.concurrency.max(1)),
        abort,
        events: events.clone(),
    };
    let download = Download { fetcher, settings };
    let result = download.all(volumes, control.stop).await;
    if let Some(cache) = &download.fetcher.cache {
        download.evict(cache.clone()).await;
    }
    result
}

/// Without a cache a fetch only takes longer, so one that cannot be opened is a warning.
async fn open_cache(
    settings: Option<&CacheSettings>,
    abort: &FetchAbort,
    events: &EventReporter,
) -> Result<Option<Arc<Cache>>, VolumeError> {
    let Some(settings) = settings.cloned() else { return Ok(None) };
    let shown = Escaped(&settings.dir.to_string_lossy()).to_string();
    match abort.blocking(move |_| Ok(Cache::open(&settings))).await? {
        Ok(cache) => Ok(Some(Arc::new(cache))),
        Err(error) => {
            let message = format!("cannot use the cache `{shown}`: {error}");
            events.emit(RunEvent::Warning { message });
            Ok(None)
        }
    }
}

/// One fetch of all volumes.
struct Download<'a> {
    fetcher: Fetcher,
    settings: &'a Settings,
}

impl Download<'_> {
    async fn all(
        &self,
        volumes: &InputVolumes,
        stop: CancellationToken,
    ) -> Result<(), VolumeError> {
        let mut ordered: Vec<&MountedVolume> = volumes.iter().collect();
        ordered
            .sort_by_key(|volume| volume.path.as_ref().map_or(0, |path| path.components().count()));
        let placed: Vec<CancellationToken> =
            ordered.iter().map(|_| CancellationToken::new()).collect();
        let mut running: FuturesUnordered<_> =
            (0..ordered.len()).map(|number| self.in_turn(&ordered, &placed, number)).collect();
        let abort = &self.fetcher.abort;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if abort.reason().is_none() => abort.fail(stopped()),
                ended = running.next() => match ended {
                    None => return abort.reason().map_or(Ok(()), Err),
                    Some(Ok(())) => {}
                    // The others are waited for: what they do in other threads must be over, too.
                    Some(Err(error)) => abort.fail(error),
                },
            }
        }
    }

    /// Fetches a volume when those are in place that it has to come after.
    async fn in_turn(
        &self,
        volumes: &[&MountedVolume],
        placed: &[CancellationToken],
        number: usize,
    ) -> Result<(), VolumeError> {
        let volume = volumes[number];
        for (before, placed) in volumes[..number].iter().zip(placed) {
            if is_within(volume.path.as_ref(), before.path.as_ref()) {
                self.fetcher.abort.unless(placed.cancelled()).await?;
            }
        }
        self.volume(volume).await.map_err(|error| about(volume.place(), &error))?;
        placed[number].cancel();
        Ok(())
    }

    async fn volume(&self, mounted: &MountedVolume) -> Result<(), VolumeError> {
        let place = mounted.path.as_ref();
        let progress = Progress::new(self.fetcher.events.clone(), mounted.place());
        match &mounted.volume {
            InputVolume::Inline(zip) => {
                let zip = zip.clone();
                let archive = move || unpack::decode_inline(&zip);
                let unpacked = self.unpack(archive, place, &progress).await?;
                progress.file().finish(unpacked, false);
            }
            InputVolume::File { url, sha256 } => {
                let Some(place) = place else {
                    let problem = "a single file needs a path below `/volume`";
                    return Err(VolumeError::download_failed(problem));
                };
                let request = request(url, *sha256)?;
                self.one(&request, place.clone(), &progress).await?;
            }
            InputVolume::Zip { url, sha256 } => {
                let request = request(url, *sha256)?;
                let scratch = self.fetcher.file(&request, &progress).await?;
                let archive = move || {
                    let mut file = scratch.into_nameless()?;
                    file.rewind().map_err(|error| inputs::failed(&error))?;
                    Ok(file)
                };
                let unpacked = self.unpack(archive, place, &progress).await;
                unpacked.map_err(|error| about(url, &error))?;
            }
            InputVolume::HuggingFace(repository) => {
                self.repository(repository, place, &progress).await?;
            }
        }
        progress.done();
        Ok(())
    }

    /// Fetches one file into its place.
    async fn one(
        &self,
        request: &Request,
        place: RelativePath,
        progress: &Progress,
    ) -> Result<(), VolumeError> {
        let scratch = self.fetcher.file(request, progress).await?;
        self.fetcher.abort.blocking(move |_| scratch.publish(&place)).await
    }

    async fn repository(
        &self,
        repository: &HubRepository,
        place: Option<&RelativePath>,
        progress: &Progress,
    ) -> Result<(), VolumeError> {
        let listed = {
            // The semaphore is never closed, so that waiting for it does not fail.
            let _permit = self.fetcher.abort.unless(self.fetcher.permits.acquire()).await?;
            hub::list(&self.fetcher.client, repository, &self.settings.hub, progress).await?
        };
        let files = listed.into_iter().map(|file| self.of_repository(file, place, progress));
        let mut files =
            futures_util::stream::iter(files).buffer_unordered(self.settings.concurrency.max(1));
        let mut first_error = None;
        while let Some(fetched) = files.next().await {
            if let Err(error) = fetched {
                self.fetcher.abort.fail(about(progress.place(), &error));
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Fetches one file of a repository into its place.
    async fn of_repository(
        &self,
        file: HubFile,
        place: Option<&RelativePath>,
        progress: &Progress,
    ) -> Result<(), VolumeError> {
        let path = place.map_or_else(|| file.path.clone(), |place| place.join(&file.path));
        let fetched = self.one(&file.request, path, progress).await;
        fetched.map_err(|error| about(format_args!("`{}`", file.path), &error))
    }

    /// Unpacks a zip file into a place.
    async fn unpack(
        &self,
        archive: impl FnOnce() -> Result<File, VolumeError> + Send + 'static,
        place: Option<&RelativePath>,
        progress: &Progress,
    ) -> Result<u64, VolumeError> {
        let _ongoing = self.fetcher.client.begin("unpacking the zip file", progress);
        let (inputs, place) = (self.fetcher.inputs.clone(), place.cloned());
        let mut limits = self.settings.unpack.clone();
        limits.bytes = limits.bytes.min(self.fetcher.client.budget().left());
        let unpacked = self.fetcher.abort.blocking(move |stop| {
            let archive = archive()?;
            let into = inputs::folder(&inputs, place.as_ref())?;
            unpack::unpack(archive, &into, &limits, stop)
        });
        let unpacked = unpacked.await?;
        self.fetcher.client.budget().take(unpacked)?;
        Ok(unpacked)
    }

    /// Keeps the cache within its bound. If that fails, the run goes on.
    async fn evict(&self, cache: Arc<Cache>) {
        // Also when the fetch was aborted: what was stored before counts.
        let evicted = tokio::task::spawn_blocking(move || cache.evict()).await;
        if let Ok(Err(error)) = evicted {
            let message = format!("cannot remove old files from the cache: {error}");
            self.fetcher.events.emit(RunEvent::Warning { message });
        }
    }
}

/// An error with its subject.
fn about(what: impl fmt::Display, error: &VolumeError) -> VolumeError {
    VolumeError { kind: error.kind, message: format!("{what}: {}", error.message) }
}

/// Whether a place is another, or below it. `None` is the directory of all volumes.
fn is_within(inner: Option<&RelativePath>, outer: Option<&RelativePath>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.is_within(outer),
    }
}

fn request(url: &HttpUrl, sha256: Option<Sha256Digest>) -> Result<Request, VolumeError> {
    let parsed = Url::parse(url.reveal())
        .map_err(|error| VolumeError::download_failed(format!("{url} is not a URL: {error}")))?;
    Ok(Request { url: parsed, authorization: None, sha256, bytes: None, cache_key: None })
}
