//! One file of a volume: from the cache, or from its URL and into the cache.

use std::io::Seek;
use std::sync::Arc;

use cap_std::fs::Dir;
use chutes_core::{Escaped, EventReporter, RunEvent};
use tokio::sync::Semaphore;

use super::VolumeError;
use super::abort::FetchAbort;
use super::cache::{Cache, Entry};
use super::http::{Client, Content, Fetched, Request};
use super::inputs::{self, Scratch};
use super::progress::{FileProgress, Progress};

/// What all files of a fetch have in common.
pub(crate) struct Fetcher {
    pub(crate) inputs: Arc<Dir>,
    pub(crate) client: Client,
    pub(crate) cache: Option<Arc<Cache>>,
    /// One for each file that may be fetched at a time.
    pub(crate) permits: Semaphore,
    pub(crate) abort: FetchAbort,
    pub(crate) events: EventReporter,
}

impl Fetcher {
    /// Fetches a file that is not in its place yet.
    pub(crate) async fn file(
        &self,
        request: &Request,
        progress: &Progress,
    ) -> Result<Scratch, VolumeError> {
        // The semaphore is never closed, so that waiting for it does not fail.
        let _permit = self.abort.unless(self.permits.acquire()).await?;
        let mut progress = progress.file();
        let scratch = self.scratch().await?;
        if let Some(bytes) = self.without_request(request, &scratch).await? {
            progress.finish(bytes, true);
            return Ok(scratch);
        }
        let known = self.known(request).await?;
        let etag = known.as_ref().and_then(|entry| entry.etag.as_deref());
        let fetched = self.client.download(request, etag, scratch.file()?, &mut progress).await?;
        let content = match (fetched, known) {
            (Fetched::Whole(content), _) => content,
            (Fetched::Unchanged, Some(known)) if self.take(&known, &scratch).await? => {
                progress.finish(known.bytes, true);
                return Ok(scratch);
            }
            // What the cache had a moment ago was removed, or is broken.
            (Fetched::Unchanged, _) => self.again(request, &scratch, &mut progress).await?,
        };
        progress.finish(content.bytes, false);
        self.keep(request, &content, &scratch).await?;
        Ok(scratch)
    }

    async fn again(
        &self,
        request: &Request,
        scratch: &Scratch,
        progress: &mut FileProgress<'_>,
    ) -> Result<Content, VolumeError> {
        match self.client.download(request, None, scratch.file()?, progress).await? {
            Fetched::Whole(content) => Ok(content),
            Fetched::Unchanged => Err(VolumeError::download_failed("the server sent no content")),
        }
    }

    async fn scratch(&self) -> Result<Scratch, VolumeError> {
        let inputs = self.inputs.clone();
        self.abort.blocking(move |_| Scratch::create(&inputs)).await
    }

    /// Takes a file from the cache whose content is known without asking. Its size, if it was there.
    async fn without_request(
        &self,
        request: &Request,
        scratch: &Scratch,
    ) -> Result<Option<u64>, VolumeError> {
        let Some(cache) = self.cache.clone() else { return Ok(None) };
        let (file, request) = (scratch.file()?, request.clone());
        let bytes = self.abort.blocking(move |stop| {
            let found = match request.sha256 {
                Some(sha256) => cache.find(sha256, request.bytes),
                None => {
                    (request.cache_key.is_some().then(|| cache.entry(&key(&request))).flatten())
                        .filter(|entry| request.bytes.is_none_or(|bytes| bytes == entry.bytes))
                        .and_then(|entry| cache.find(entry.sha256, Some(entry.bytes)))
                }
            };
            match found {
                Some(object) => copy_out(&cache, object, file, stop),
                None => Ok(None),
            }
        });
        self.count(bytes.await?)
    }

    /// Takes the content from the cache that the server has confirmed.
    async fn take(&self, known: &Entry, scratch: &Scratch) -> Result<bool, VolumeError> {
        let Some(cache) = self.cache.clone() else { return Ok(false) };
        let (file, known) = (scratch.file()?, known.clone());
        let bytes =
            self.abort.blocking(move |stop| match cache.find(known.sha256, Some(known.bytes)) {
                Some(object) => copy_out(&cache, object, file, stop),
                None => Ok(None),
            });
        Ok(self.count(bytes.await?)?.is_some())
    }

    fn count(&self, bytes: Option<u64>) -> Result<Option<u64>, VolumeError> {
        self.client.check_size(bytes.unwrap_or_default())?;
        self.client.budget().take(bytes.unwrap_or_default())?;
        Ok(bytes)
    }

    /// What the cache has for the URL, which the server has to confirm.
    async fn known(&self, request: &Request) -> Result<Option<Entry>, VolumeError> {
        let Some(cache) = self.cache.clone() else { return Ok(None) };
        if request.sha256.is_some() || request.cache_key.is_some() {
            // The cache was searched for it before.
            return Ok(None);
        }
        let key = key(request);
        self.abort
            .blocking(move |_| {
                let entry = cache.entry(&key).filter(|entry| entry.etag.is_some());
                Ok(entry.filter(|entry| cache.find(entry.sha256, Some(entry.bytes)).is_some()))
            })
            .await
    }

    /// Puts a file into the cache, unless nothing says that it is whole. If that fails, the run goes on.
    async fn keep(
        &self,
        request: &Request,
        content: &Content,
        scratch: &Scratch,
    ) -> Result<(), VolumeError> {
        let Some(cache) = self.cache.clone().filter(|_| content.is_verified) else { return Ok(()) };
        let (file, content) = (scratch.file()?, content.clone());
        // A URL without a tag may have another content by now, which could not be noticed.
        let is_named = request.cache_key.is_some() || content.etag.is_some();
        let key = is_named.then(|| key(request));
        let kept = self.abort.blocking(move |stop| {
            let Content { sha256, bytes, etag, .. } = content;
            let kept = cache.store(&file, sha256, bytes, stop).and_then(|()| match key {
                Some(key) => cache.remember(&key, &Entry { sha256, bytes, etag }),
                None => Ok(()),
            });
            super::abort::check(stop).map(|()| kept)
        });
        if let Err(error) = kept.await? {
            self.warn(&error);
        }
        Ok(())
    }

    fn warn(&self, error: &std::io::Error) {
        let error = error.to_string();
        let message = format!("cannot keep an input in the cache: {}", Escaped(&error));
        self.events.emit(RunEvent::Warning { message });
    }
}

fn key(request: &Request) -> String {
    match &request.cache_key {
        Some(key) => format!("content {key}"),
        None => format!("url {}", request.url),
    }
}

fn copy_out(
    cache: &Cache,
    object: super::cache::Object,
    mut file: std::fs::File,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<Option<u64>, VolumeError> {
    let bytes = object.bytes;
    let copied = cache.copy(object, &mut file, stop);
    super::abort::check(stop)?;
    if copied.map_err(|error| inputs::failed(&error))? {
        return Ok(Some(bytes));
    }
    let emptied = file.set_len(0).and_then(|()| file.rewind());
    emptied.map_err(|error| inputs::failed(&error))?;
    Ok(None)
}
