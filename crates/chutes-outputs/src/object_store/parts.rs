//! Uploads in parts that outlive the attempt that began them: the next attempt sends only the parts that are missing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chutes_core::Sha256Digest;
use chutes_transfer::TransferError;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, MultipartId, ObjectStore, PutMultipartOptions, PutPayload};
use tokio::time::timeout;

use super::attempt::{StoreError, attempt};
use super::attributes;
use crate::SourceFile;

/// How long the store may take to clear away the parts of an upload that is given up.
const CLEARING_TIME: Duration = Duration::from_secs(30);

/// An object store that takes objects in parts.
pub(super) trait Store: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Store for T {}

/// The uploads of a sink that have begun and are not complete.
pub(super) struct Uploads {
    store: Arc<dyn Store>,
    begun: Mutex<HashMap<Path, Arc<PartedUpload>>>,
}

/// One object of which some parts are in the store.
pub(super) struct PartedUpload {
    key: Path,
    id: MultipartId,
    /// The content that the parts are of.
    sha256: Sha256Digest,
    /// What is in the store, by the index of the part.
    stored: Mutex<BTreeMap<usize, StoredPart>>,
}

struct StoredPart {
    id: PartId,
    /// The checksum of the file up to the end of this part. A file that was changed between two attempts has
    /// another one, and the part is sent again.
    up_to_here: Sha256Digest,
    bytes: u64,
}

/// A part that is sent.
pub(super) struct Part {
    pub(super) index: usize,
    pub(super) content: PutPayload,
    /// The checksum of the file up to the end of this part.
    pub(super) up_to_here: Sha256Digest,
}

impl Uploads {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, begun: Mutex::default() }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<Path, Arc<PartedUpload>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The upload of this content that an earlier attempt has begun. One of other content is cleared away.
    pub(super) async fn continued(
        &self,
        key: &Path,
        file: &SourceFile,
    ) -> Option<Arc<PartedUpload>> {
        let found = self.begun().get(key).cloned()?;
        if found.sha256 == file.sha256 {
            return Some(found);
        }
        self.clear(key).await;
        None
    }

    /// Begins the upload of an object.
    pub(super) async fn begin(
        &self,
        key: &Path,
        file: &SourceFile,
    ) -> Result<Arc<PartedUpload>, TransferError> {
        let attributes = attributes(file);
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let create = async {
            match self.store.create_multipart_opts(key, options).await {
                // Azure takes attributes with the last request only, which this interface has no place for. Without
                // the checksum, a delivery that is made again sends the file again.
                Err(Error::NotSupported { .. }) => self.store.create_multipart(key).await,
                created => created,
            }
        };
        let id = attempt(None, create).await?;
        let upload =
            PartedUpload { key: key.clone(), id, sha256: file.sha256, stored: Mutex::default() };
        let upload = Arc::new(upload);
        self.begun().insert(key.clone(), Arc::clone(&upload));
        Ok(upload)
    }

    /// How many bytes of this content are in the store and not yet an object.
    pub(super) fn kept(&self, key: &Path, file: &SourceFile) -> u64 {
        let found = self.begun().get(key).cloned();
        found.filter(|upload| upload.sha256 == file.sha256).map_or(0, |upload| upload.bytes())
    }

    /// The store that they are in.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Sends a part, later, and remembers that it is there.
    pub(super) fn send(
        &self,
        upload: &Arc<PartedUpload>,
        part: Part,
        file: &SourceFile,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let Part { index, content, up_to_here } = part;
        let (store, upload, sent) =
            (Arc::clone(&self.store), Arc::clone(upload), Arc::clone(&file.sent));
        async move {
            let bytes = content.content_length() as u64;
            let put = store.put_part(&upload.key, &upload.id, index, content);
            let id = attempt(Some(&sent), put).await?;
            upload.stored().insert(index, StoredPart { id, up_to_here, bytes });
            Ok(())
        }
    }

    /// Makes an object of the parts.
    pub(super) async fn complete(&self, upload: &PartedUpload) -> Result<(), StoreError> {
        let parts = upload.stored().values().map(|part| part.id.clone()).collect();
        let complete = self.store.complete_multipart(&upload.key, &upload.id, parts);
        attempt(None, complete).await?;
        self.begun().remove(&upload.key);
        Ok(())
    }

    /// Clears away what the store has of an object that is not complete.
    pub(super) async fn clear(&self, key: &Path) {
        let found = self.begun().remove(key);
        if let Some(upload) = found {
            abort(Arc::clone(&self.store), upload).await;
        }
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let begun = std::mem::take(&mut *self.begun());
        for upload in begun.into_values() {
            runtime.spawn(abort(Arc::clone(&self.store), upload));
        }
    }
}

impl PartedUpload {
    fn stored(&self) -> MutexGuard<'_, BTreeMap<usize, StoredPart>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> u64 {
        self.stored().values().map(|part| part.bytes).sum()
    }

    /// Whether this part is in the store already.
    pub(super) fn has(&self, index: usize, up_to_here: Sha256Digest) -> bool {
        self.stored().get(&index).is_some_and(|part| part.up_to_here == up_to_here)
    }
}

/// If this fails, the lifecycle rules of the bucket may clear it away later: no complete object depends on it.
async fn abort(store: Arc<dyn Store>, upload: Arc<PartedUpload>) {
    let _ = timeout(CLEARING_TIME, store.abort_multipart(&upload.key, &upload.id)).await;
}
