//! Object stores: Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure.
//!
//! A run becomes `<prefix>/outputs/…`, `<prefix>/logs/…` and, last, `<prefix>/manifest.json`: where
//! there is a manifest, everything that it lists as delivered is there. What is there already with the
//! same size and checksum is not sent again, so that a delivery resumes where it was broken off.

mod attempt;
mod keys;
mod open;
mod parts;
#[cfg(test)]
mod tests;
mod transport;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{DeliveryState, FileKind, FileState, Manifest, RunId, StoreUrl};
use chutes_transfer::TransferError;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{Attribute, Attributes, GetOptions, ObjectStoreExt, PutPayload};
use tokio::sync::Semaphore;
use url::Url;

use self::attempt::{StoreError, attempt};
use self::keys::Keys;
use self::parts::{Store, Uploads};
use self::upload::{MIB, Upload};
use super::{RunSummary, Sending, Sink, SourceFile};

/// How many files may be on their way at a time. Small ones are mostly waiting.
const CONCURRENCY: usize = 16;

/// How large the content of a request may be, and that of all of them.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Up to this size a file is sent at once, in bytes.
    whole: u64,
    /// How large the parts of a larger file are at least, in bytes.
    part: u64,
    /// How many MiB of all files may be in memory at a time.
    memory: u32,
}

/// To send a file at once takes one request instead of one for each part and three more. Two files of
/// this size are sent at a time.
const SIZES: Sizes = Sizes { whole: 64 * MIB, part: 16 * MIB, memory: 128 };

/// How many objects below the prefix are listed. What is not known to be there is sent.
const LISTED: usize = 100_000;

/// The name of the checksum in the metadata of an object.
const CHECKSUM: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("sha256"));

/// What is stored beside the content of a file: a later delivery recognises it by its checksum.
fn attributes(file: &SourceFile) -> Attributes {
    Attributes::from_iter([(CHECKSUM, file.sha256.to_string())])
}

/// A sink for a folder of an object store.
pub(crate) fn folder(url: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(StoreSink::new(&parsed(url)?)?))
}

/// A sink for one object of an object store, for one file.
pub(crate) fn object(url: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(ObjectSink::new(&parsed(url)?)?))
}

fn parsed(url: &StoreUrl) -> Result<Url, TransferError> {
    Url::parse(url.as_str())
        .map_err(|error| TransferError::permanent(format!("it is not a URL: {error}")))
}

/// Delivers to a place in an object store.
pub(crate) struct StoreSink {
    store: Arc<dyn Store>,
    uploads: Uploads,
    name: String,
    keys: Keys,
    /// The size of what is there and may be one of the files: from earlier attempts.
    there: Mutex<HashMap<Path, u64>>,
    sizes: Sizes,
    memory: Arc<Semaphore>,
}

impl StoreSink {
    /// A sink for an address like `s3://bucket/prefix`. Credentials, endpoint and region come from the
    /// environment, under the names that the tools of the provider use.
    pub(crate) fn new(url: &Url) -> Result<Self, TransferError> {
        let (store, prefix) = open::open(url, &open::variables())?;
        Ok(Self::with_store(store, prefix, url.as_str().trim_end_matches('/').to_owned(), SIZES))
    }

    fn with_store(store: Arc<dyn Store>, prefix: Path, name: String, sizes: Sizes) -> Self {
        let (there, memory) = (Mutex::default(), sizes.semaphore());
        let uploads = Uploads::new(Arc::clone(&store));
        Self { store, uploads, name, keys: Keys::new(prefix), there, sizes, memory }
    }

    async fn prepare(&self, run_id: RunId) -> Result<(), TransferError> {
        self.remove_manifest(run_id).await?;
        let mut there = HashMap::new();
        for kind in FileKind::ALL {
            self.list(kind, &mut there).await?;
        }
        *self.there.lock().unwrap_or_else(PoisonError::into_inner) = there;
        Ok(())
    }

    /// Removes the manifest of an earlier delivery to this place: it is not complete any more. Where nothing may be
    /// deleted, that of this very run can stay: everything was there when it was written.
    async fn remove_manifest(&self, run_id: RunId) -> Result<(), TransferError> {
        let key = self.keys.manifest()?;
        match attempt(None, self.store.head(&key)).await {
            Ok(_) => {}
            Err(StoreError::NotFound(_)) => return Ok(()),
            // Credentials that may write and not read cannot know whether there is one.
            Err(error) if error.is_permanent() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let Err(error) = attempt(None, self.store.delete(&key)).await else { return Ok(()) };
        if self.manifest_is_of(&key, run_id).await {
            return Ok(());
        }
        let error = TransferError::from(error);
        Err(error.map_message(|why| format!("an older manifest.json cannot be removed: {why}")))
    }

    async fn manifest_is_of(&self, key: &Path, run_id: RunId) -> bool {
        let read = async { self.store.get(key).await?.bytes().await };
        let Ok(content) = attempt(None, read).await else { return false };
        let manifest = serde_json::from_slice::<Manifest>(&content);
        manifest.is_ok_and(|manifest| manifest.run_id == run_id)
    }

    /// Lists what is there. Credentials that may not list know of nothing, so everything is sent.
    async fn list(
        &self,
        kind: FileKind,
        there: &mut HashMap<Path, u64>,
    ) -> Result<(), TransferError> {
        let folder = self.keys.folder(kind)?;
        let mut objects = self.store.list(Some(&folder)).take(LISTED);
        while let Some(object) = attempt(None, async { objects.next().await.transpose() })
            .await
            .or_else(StoreError::unless_forbidden)?
        {
            there.insert(object.location, object.size);
        }
        Ok(())
    }

    async fn deliver(&self, file: &SourceFile) -> Result<(), TransferError> {
        let key = self.keys.file(file.kind, &file.path)?;
        if self.known_size(&key) == Some(file.bytes) && self.has(&key, file).await? {
            return Ok(());
        }
        let (uploads, sizes, memory) = (&self.uploads, self.sizes, &self.memory);
        let upload = Upload { uploads, key: &key, file, sizes, memory };
        let sent = upload.send().await;
        if sent.is_err() {
            // Perhaps it arrived and only the answer was lost: the next attempt checks that.
            let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
            there.insert(key, file.bytes);
        }
        sent
    }

    fn known_size(&self, key: &Path) -> Option<u64> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Whether the object is the file. Without the permission to read that is not known.
    async fn has(&self, key: &Path, file: &SourceFile) -> Result<bool, TransferError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match attempt(None, self.store.get_opts(key, options)).await {
            Ok(found) => {
                let checksum = found.attributes.get(&CHECKSUM);
                let is_same = checksum.is_some_and(|text| **text == *file.sha256.to_string());
                Ok(is_same && found.meta.size == file.bytes)
            }
            Err(error) if error.is_permanent() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn complete(&self, run: &RunSummary) -> Result<(), TransferError> {
        let missing = self.missing(&run.manifest);
        if missing > 0 {
            let files = if missing == 1 { "file is" } else { "files are" };
            return Err(TransferError::permanent(format!(
                "manifest.json was not written, because {missing} {files} missing"
            )));
        }
        let mut manifest = serde_json::to_vec_pretty(&run.manifest).map_err(|error| {
            TransferError::permanent(format!("the manifest cannot be written as JSON: {error}"))
        })?;
        manifest.push(b'\n');
        let key = self.keys.manifest()?;
        attempt(None, self.store.put(&key, PutPayload::from(manifest))).await?;
        Ok(())
    }

    /// How many collected files have not been delivered here.
    fn missing(&self, manifest: &Manifest) -> usize {
        let is_here = |state: &DeliveryState| *state == DeliveryState::Delivered;
        let files = manifest.all().map(|(_, file)| file);
        files
            .filter(|file| matches!(file.state, FileState::Collected { .. }))
            .filter(|file| {
                let mut deliveries = file.deliveries.iter();
                !deliveries.any(|delivery| delivery.sink == self.name && is_here(&delivery.state))
            })
            .count()
    }
}

impl Sink for StoreSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn open_early(&self, _: RunId) -> Option<Sending<'_, ()>> {
        Some(Box::pin(std::future::ready(Ok(()))))
    }

    fn begin<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(self.prepare(run.run_id))
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.deliver(file))
    }

    fn kept(&self, file: &SourceFile) -> u64 {
        let key = self.keys.file(file.kind, &file.path);
        key.map_or(0, |key| self.uploads.kept(&key, file))
    }

    fn abandon<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            self.uploads.clear(&self.keys.file(file.kind, &file.path)?).await;
            Ok(())
        })
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(self.complete(run))
    }
}

/// Delivers one file as one object: a zip of everything.
pub(crate) struct ObjectSink {
    uploads: Uploads,
    name: String,
    key: Path,
    memory: Arc<Semaphore>,
}

impl ObjectSink {
    /// A sink for an address like `s3://bucket/key.zip`.
    pub(crate) fn new(url: &Url) -> Result<Self, TransferError> {
        let (store, key) = open::open(url, &open::variables())?;
        let (uploads, memory) = (Uploads::new(store), SIZES.semaphore());
        Ok(Self { uploads, name: url.as_str().to_owned(), key, memory })
    }
}

impl Sink for ObjectSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            let (uploads, memory) = (&self.uploads, &self.memory);
            Upload { uploads, key: &self.key, file, sizes: SIZES, memory }.send().await
        })
    }

    fn kept(&self, file: &SourceFile) -> u64 {
        self.uploads.kept(&self.key, file)
    }

    fn abandon<'a>(&'a self, _: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            self.uploads.clear(&self.key).await;
            Ok(())
        })
    }
}
