//! The part of a file that is there: what was written, and its checksum so far.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use bytes::Bytes;
use chutes_core::{Sha256Digest, Sha256Hasher};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::VolumeError;
use crate::inputs::failed;

/// How much is written in one piece, in bytes.
const PIECE: usize = 1024 * 1024;

/// A file that is being written, in another thread: one piece while the next is received. There are
/// never more than two pieces in memory.
pub(super) struct Partial {
    writing: Option<JoinHandle<io::Result<Written>>>,
    written: Option<Written>,
    piece: Vec<u8>,
    position: u64,
    /// Why nothing can be written any more. Every later call fails with it, too.
    error: Option<VolumeError>,
}

/// The file and the checksum of what is in it.
struct Written {
    file: File,
    hasher: Sha256Hasher,
}

impl Partial {
    /// Begins with an empty file.
    pub(super) fn new(file: File) -> Self {
        let written = Some(Written { file, hasher: Sha256Hasher::new() });
        Self { writing: None, written, piece: Vec::new(), position: 0, error: None }
    }

    /// How much was appended.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Appends some bytes.
    pub(super) async fn append(&mut self, bytes: &Bytes) -> Result<(), VolumeError> {
        self.position += bytes.len() as u64;
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE { self.write().await } else { Ok(()) }
    }

    /// Hands the piece to another thread, when that has written the one before.
    async fn write(&mut self) -> Result<(), VolumeError> {
        let mut written = self.written().await?;
        let piece = std::mem::take(&mut self.piece);
        self.writing = Some(spawn_blocking(move || {
            written.file.write_all(&piece)?;
            written.hasher.update(&piece);
            Ok(written)
        }));
        Ok(())
    }

    /// Waits until everything is written. Afterwards no other thread writes.
    pub(super) async fn settle(&mut self) -> Result<(), VolumeError> {
        if !self.piece.is_empty() {
            self.write().await?;
        }
        let written = self.written().await?;
        self.written = Some(written);
        Ok(())
    }

    async fn written(&mut self) -> Result<Written, VolumeError> {
        if let Some(written) = self.written.take() {
            return Ok(written);
        }
        let ended = match (&mut self.writing, &self.error) {
            (Some(writing), _) => {
                writing.await.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            (None, Some(error)) => return Err(error.clone()),
            (None, None) => Err(io::Error::other("the file is not there any more")),
        };
        self.writing = None;
        ended.map_err(|error| self.error.insert(failed(&error)).clone())
    }

    /// Throws away everything, so that the file is as it was in the beginning.
    pub(super) async fn truncate(&mut self) -> Result<(), VolumeError> {
        self.piece.clear();
        let mut written = self.written().await?;
        self.writing = Some(spawn_blocking(move || {
            written.file.set_len(0)?;
            written.file.seek(SeekFrom::Start(0))?;
            written.hasher = Sha256Hasher::new();
            Ok(written)
        }));
        self.position = 0;
        self.settle().await
    }

    /// The checksum of everything.
    pub(super) async fn digest(&mut self) -> Result<Sha256Digest, VolumeError> {
        self.settle().await?;
        let written = self.written().await?;
        let digest = written.hasher.clone().finish();
        self.written = Some(written);
        Ok(digest)
    }
}
