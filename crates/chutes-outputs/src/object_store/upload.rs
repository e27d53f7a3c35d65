//! One file into an object store: at once when it is small, in parts when it is not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chutes_transfer::TransferError;
use object_store::path::Path;
use object_store::{
    Attributes, GetOptions, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::attempt::{StoreError, attempt};
use super::{CHECKSUM, MEMORY};
use crate::SourceFile;
use crate::http::reading::{Piece, Reading};

pub(super) const MIB: u64 = 1024 * 1024;

/// How many parts a file may have: the limit of S3.
const PARTS: u64 = 10_000;

/// How many parts of one file may be on their way at a time.
const FLYING: usize = 4;

/// How much the HTTP client is given at a time, in bytes: a slow upload is seen to move as often.
const HANDED_OUT: usize = 64 * 1024;

/// How long the store may take to clear away the parts of an upload that was broken off.
const CLEARING_TIME: Duration = Duration::from_secs(30);

/// One attempt at one file.
pub(super) struct Upload<'a> {
    pub(super) store: &'a dyn ObjectStore,
    pub(super) key: &'a Path,
    pub(super) file: &'a SourceFile,
    pub(super) memory: &'a Arc<Semaphore>,
    /// Up to this size a file is sent at once, and from this size upward are parts, in bytes.
    pub(super) part: u64,
}

impl Upload<'_> {
    pub(super) async fn send(&self) -> Result<(), TransferError> {
        if self.file.bytes <= self.part { self.at_once().await } else { self.in_parts().await }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from_iter([(CHECKSUM, self.file.sha256.to_string())])
    }

    async fn at_once(&self) -> Result<(), TransferError> {
        let (permit, (content, _)) =
            self.read(self.part, |size| Reading::begin(self.file, size)).await?;
        let options = PutOptions { attributes: self.attributes(), ..PutOptions::default() };
        let put = self.store.put_opts(self.key, payload(content), options);
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
        let share = size.min(self.file.bytes).div_ceil(MIB).clamp(1, MEMORY as u64);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let permit = self.memory.clone().acquire_many_owned(share).await;
        let permit = permit.map_err(|_| TransferError::transient("the sink is closed"))?;
        let size = usize::try_from(size)
            .map_err(|_| TransferError::permanent("its parts are too large"))?;
        Ok((permit, reading(size).piece().await?))
    }

    async fn in_parts(&self) -> Result<(), TransferError> {
        let options =
            PutMultipartOptions { attributes: self.attributes(), ..PutMultipartOptions::default() };
        let upload = attempt(None, self.store.put_multipart_opts(self.key, options)).await?;
        let mut parts = Parts { upload: Some(upload), flying: JoinSet::new() };
        if let Err(error) = self.send_parts(&mut parts).await {
            parts.clear().await;
            return Err(error);
        }
        self.verify().await
    }

    async fn send_parts(&self, parts: &mut Parts) -> Result<(), TransferError> {
        let size = part_size(self.file.bytes, self.part);
        let mut next = self.read(size, |size| Reading::begin(self.file, size)).await?;
        loop {
            let (permit, (content, rest)) = next;
            parts.send(content, permit, self.file)?;
            let Some(rest) = rest else { break };
            parts.land(FLYING - 1).await?;
            next = self.read(size, |size| Reading::next(rest, size)).await?;
        }
        // Only now the whole file has been compared with its checksum.
        parts.land(0).await?;
        parts.complete().await
    }

    /// Checks that the store has made one object of the parts. Without the permission to read it is trusted.
    async fn verify(&self) -> Result<(), TransferError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match attempt(None, self.store.get_opts(self.key, options)).await {
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

/// The parts of a file on their way. What is not completed is cleared away.
struct Parts {
    /// `None` when it was completed or cleared away.
    upload: Option<Box<dyn MultipartUpload>>,
    flying: JoinSet<Result<(), TransferError>>,
}

impl Parts {
    fn send(
        &mut self,
        content: Bytes,
        permit: OwnedSemaphorePermit,
        file: &SourceFile,
    ) -> Result<(), TransferError> {
        let Some(upload) = &mut self.upload else {
            return Err(TransferError::transient("the upload has ended"));
        };
        let (part, sent) = (upload.put_part(payload(content)), file.sent.clone());
        self.flying.spawn(async move {
            let result = attempt(Some(&sent), part).await;
            drop(permit);
            Ok(result?)
        });
        Ok(())
    }

    /// Waits until at most this many parts are on their way.
    async fn land(&mut self, flying: usize) -> Result<(), TransferError> {
        while self.flying.len() > flying {
            let Some(joined) = self.flying.join_next().await else { break };
            joined.map_err(|error| {
                TransferError::transient(format!("sending a part was stopped: {error}"))
            })??;
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), TransferError> {
        let Some(upload) = &mut self.upload else {
            return Err(TransferError::transient("the upload has ended"));
        };
        attempt(None, upload.complete()).await?;
        self.upload = None;
        Ok(())
    }

    async fn clear(&mut self) {
        self.flying.shutdown().await;
        if let Some(upload) = self.upload.take() {
            clear(upload).await;
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.flying.abort_all();
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), runtime) {
            runtime.spawn(clear(upload));
        }
    }
}

/// Clears away what has been stored of an upload. If that fails, the lifecycle rules of the bucket may do it
/// later: no complete object depends on it.
async fn clear(mut upload: Box<dyn MultipartUpload>) {
    let _ = timeout(CLEARING_TIME, upload.abort()).await;
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
