//! One file into an object store: at once when it is small, in parts when it is not.

use std::sync::Arc;

use bytes::Bytes;
use chutes_transfer::TransferError;
use object_store::path::Path;
use object_store::{GetOptions, PutOptions, PutPayload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::attempt::{StoreError, attempt};
use super::parts::{Part, PartedUpload, Uploads};
use super::{Sizes, attributes};
use crate::SourceFile;
use crate::http::reading::{Piece, Reading, Rest};

pub(super) const MIB: u64 = 1024 * 1024;

/// How many parts a file may have: the limit of S3.
const PARTS: u64 = 10_000;

/// How many parts of one file may be on their way at a time.
const FLYING: usize = 4;

const FORGOTTEN: &str = "the object store has forgotten the parts that it had of it";

/// How much the HTTP client is given at a time, in bytes: a slow upload is seen to move as often.
const HANDED_OUT: usize = 64 * 1024;

/// One attempt at one file.
pub(super) struct Upload<'a> {
    pub(super) uploads: &'a Uploads,
    pub(super) key: &'a Path,
    pub(super) file: &'a SourceFile,
    pub(super) sizes: Sizes,
    /// The MiB that may still be read into memory.
    pub(super) memory: &'a Arc<Semaphore>,
}

impl Sizes {
    /// The memory that the uploads share.
    pub(super) fn semaphore(self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(usize::try_from(self.memory).unwrap_or(Semaphore::MAX_PERMITS)))
    }
}

impl Upload<'_> {
    pub(super) async fn send(&self) -> Result<(), TransferError> {
        let is_whole = self.file.bytes <= self.sizes.whole;
        if is_whole { self.at_once().await } else { self.in_parts().await }
    }

    async fn at_once(&self) -> Result<(), TransferError> {
        let (permit, (content, _)) =
            self.read(self.sizes.whole, |size| Reading::begin(self.file, size)).await?;
        let options = PutOptions { attributes: attributes(self.file), ..PutOptions::default() };
        let put = self.uploads.store().put_opts(self.key, payload(content), options);
        attempt(Some(&self.file.sent), put).await?;
        drop(permit);
        Ok(())
    }

    /// Reads when there is memory for what is read.
    async fn read(
        &self,
        size: u64,
        reading: impl FnOnce(usize) -> Reading,
    ) -> Result<(OwnedSemaphorePermit, Piece), TransferError> {
        // A part that is larger than all memory waits until nothing else is in it.
        let share = u32::try_from(size.min(self.file.bytes).div_ceil(MIB)).unwrap_or(u32::MAX);
        let share = share.clamp(1, self.sizes.memory);
        let permit = self.memory.clone().acquire_many_owned(share).await;
        let permit = permit.map_err(|_| TransferError::transient("the sink is closed"))?;
        let size = usize::try_from(size)
            .map_err(|_| TransferError::permanent("its parts are too large"))?;
        Ok((permit, reading(size).piece().await?))
    }

    async fn in_parts(&self) -> Result<(), TransferError> {
        let continued = self.uploads.continued(self.key, self.file).await;
        let is_continued = continued.is_some();
        let upload = match continued {
            Some(upload) => upload,
            None => self.uploads.begin(self.key, self.file).await?,
        };
        let error = match self.send_parts(&upload).await {
            Ok(()) => return self.verify().await,
            Err(error) => error,
        };
        let (is_gone, error) = match error {
            PartError::Store(StoreError::NotFound(error)) => (true, error),
            PartError::Store(StoreError::Other(error)) | PartError::File(error) => (false, error),
        };
        // What is there is kept for another attempt, if there can be one.
        if is_gone || !error.is_transient {
            self.uploads.clear(self.key).await;
        }
        // Stores forget what was not completed for some time.
        let is_forgotten = is_gone && is_continued;
        Err(if is_forgotten { TransferError::transient(FORGOTTEN) } else { error })
    }

    async fn send_parts(&self, upload: &Arc<PartedUpload>) -> Result<(), PartError> {
        let size = part_size(self.file.bytes, self.sizes.part);
        let mut flying = Flying(JoinSet::new());
        let mut next = self.read(size, |size| Reading::begin(self.file, size)).await?;
        for index in 0.. {
            let (permit, (content, rest)) = next;
            let up_to_here = rest.as_ref().map_or(self.file.sha256, Rest::checksum_so_far);
            if upload.has(index, up_to_here) {
                self.file.count(content.len());
            } else {
                let part = Part { index, content: payload(content), up_to_here };
                flying.start(permit, self.uploads.send(upload, part, self.file));
            }
            let Some(rest) = rest else { break };
            flying.land(FLYING - 1).await?;
            next = self.read(size, |size| Reading::next(rest, size)).await?;
        }
        // Only now the whole file has been compared with its checksum.
        flying.land(0).await?;
        Ok(self.uploads.complete(upload).await?)
    }

    /// Checks that the store has made one object of the parts. Without the permission to read it is trusted.
    async fn verify(&self) -> Result<(), TransferError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match attempt(None, self.uploads.store().get_opts(self.key, options)).await {
            Ok(found) if found.meta.size == self.file.bytes => Ok(()),
            Ok(found) => {
                let (there, bytes) = (found.meta.size, self.file.bytes);
                Err(TransferError::transient(format!(
                    "the object store has {there} bytes of {bytes}"
                )))
            }
            Err(StoreError::NotFound(_)) => Err(TransferError::transient(
                "the object store has confirmed it, and does not have it",
            )),
            Err(error) if error.is_permanent() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The size of the parts of a file: so large that there are not too many, and a whole number of MiB.
fn part_size(bytes: u64, smallest: u64) -> u64 {
    bytes.div_ceil(PARTS).next_multiple_of(MIB).max(smallest)
}

/// Why not all parts are there.
enum PartError {
    /// The file cannot be read, or this program goes wrong.
    File(TransferError),
    /// The store did not take a part.
    Store(StoreError),
}

impl From<TransferError> for PartError {
    fn from(error: TransferError) -> Self {
        Self::File(error)
    }
}

impl From<StoreError> for PartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The parts of a file on their way. They are stopped when this is dropped.
struct Flying(JoinSet<Result<(), StoreError>>);

impl Flying {
    fn start(
        &mut self,
        permit: OwnedSemaphorePermit,
        sending: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        self.0.spawn(async move {
            let result = sending.await;
            drop(permit);
            result
        });
    }

    /// Waits until at most this many parts are on their way. After an error it waits for all of them: what arrives
    /// now need not be sent again.
    async fn land(&mut self, flying: usize) -> Result<(), PartError> {
        let mut first = None;
        while self.0.len() > if first.is_some() { 0 } else { flying } {
            let Some(joined) = self.0.join_next().await else { break };
            let error = match joined {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => PartError::Store(error),
                Err(error) => PartError::File(TransferError::transient(format!(
                    "sending a part was stopped: {error}"
                ))),
            };
            first.get_or_insert(error);
        }
        first.map_or(Ok(()), Err)
    }
}

fn payload(mut content: Bytes) -> PutPayload {
    let pieces = std::iter::from_fn(move || {
        let size = content.len().min(HANDED_OUT);
        (size > 0).then(|| content.split_to(size))
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_parts() {
        const GIB: u64 = 1024 * MIB;
        const PART: u64 = 16 * MIB;
        for (bytes, expected) in [
            (0, 16 * MIB),
            (PARTS * PART, 16 * MIB),
            (PARTS * PART + 1, 17 * MIB),
            (5 * 1024 * GIB, 525 * MIB),
        ] {
            assert_eq!(part_size(bytes, PART), expected);
            assert!(bytes.div_ceil(expected) <= PARTS);
        }
    }

    #[test]
    fn a_payload_has_all_of_its_content() {
        for length in [0, 1, HANDED_OUT, HANDED_OUT + 1] {
            let content = Bytes::from(vec![7; length]);
            let payload = payload(content.clone());
            assert_eq!(payload.iter().count(), length.div_ceil(HANDED_OUT));
            assert_eq!(Bytes::from(payload), content);
        }
    }
}
