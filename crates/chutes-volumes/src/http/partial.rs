//! The part of a file that is there: what was written, and its checksum so far.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;
use chutes_core::{Sha256Digest, Sha256Hasher};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::VolumeError;
use crate::inputs::failed;

/// How much is written in one piece, in bytes.
const PIECE: usize = 1024 * 1024;

/// A file that is being written. One piece is written in one thread, and goes into the checksum in another, while the next
/// is received. There are never more than two pieces in memory.
pub(super) struct Partial {
    file: Lane<File>,
    /// The checksum of what is in the file.
    hasher: Lane<Sha256Hasher>,
    piece: Vec<Bytes>,
    /// How many bytes are in the piece.
    length: usize,
    position: u64,
    /// Why nothing can be written any more. Every later call fails with it, too.
    error: Option<VolumeError>,
}

impl Partial {
    /// Begins with an empty file.
    pub(super) fn new(file: File) -> Self {
        Self {
            file: Lane::new(file),
            hasher: Lane::new(Sha256Hasher::new()),
            piece: Vec::new(),
            length: 0,
            position: 0,
            error: None,
        }
    }

    /// How much was appended.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Appends some bytes.
    pub(super) async fn append(&mut self, bytes: Bytes) -> Result<(), VolumeError> {
        self.position += bytes.len() as u64;
        self.length += bytes.len();
        self.piece.push(bytes);
        if self.length >= PIECE { self.write().await } else { Ok(()) }
    }

    /// Hands the piece to the other threads, when they are done with the one before.
    async fn write(&mut self) -> Result<(), VolumeError> {
        self.wait().await?;
        self.length = 0;
        let piece: Arc<[Bytes]> = std::mem::take(&mut self.piece).into();
        let same = Arc::clone(&piece);
        let begun =
            self.file.begin(move |file| piece.iter().try_for_each(|part| file.write_all(part)));
        let begun = begun.and_then(|()| {
            self.hasher.begin(move |hasher| {
                same.iter().for_each(|part| hasher.update(part));
                Ok(())
            })
        });
        self.checked(begun)
    }

    /// Waits until everything is written. Afterwards no other thread writes.
    pub(super) async fn settle(&mut self) -> Result<(), VolumeError> {
        if !self.piece.is_empty() {
            self.write().await?;
        }
        self.wait().await
    }

    /// Waits until the other threads do nothing.
    async fn wait(&mut self) -> Result<(), VolumeError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let ended = match self.file.wait().await {
            Ok(_) => self.hasher.wait().await.map(drop),
            Err(error) => Err(error),
        };
        self.checked(ended)
    }

    fn checked(&mut self, done: io::Result<()>) -> Result<(), VolumeError> {
        done.map_err(|error| self.error.insert(failed(&error)).clone())
    }

    /// Throws away everything, so that the file is as it was in the beginning.
    pub(super) async fn truncate(&mut self) -> Result<(), VolumeError> {
        self.piece.clear();
        (self.length, self.position) = (0, 0);
        self.wait().await?;
        self.hasher = Lane::new(Sha256Hasher::new());
        let begun = self.file.begin(|file| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0)).map(drop)
        });
        self.checked(begun)?;
        self.wait().await
    }

    /// The checksum of everything.
    pub(super) async fn digest(&mut self) -> Result<Sha256Digest, VolumeError> {
        self.settle().await?;
        let digest = self.hasher.wait().await.map(|hasher| hasher.clone().finish());
        digest.map_err(|error| self.error.insert(failed(&error)).clone())
    }
}

/// Something that another thread works on, piece by piece.
struct Lane<T> {
    /// While nothing is done. It is lost when work has failed.
    idle: Option<T>,
    working: Option<JoinHandle<io::Result<T>>>,
}

impl<T: Send + 'static> Lane<T> {
    const fn new(idle: T) -> Self {
        Self { idle: Some(idle), working: None }
    }

    /// Begins to work on it. What was begun before must be done.
    fn begin(
        &mut self,
        work: impl FnOnce(&mut T) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut idle = self.idle.take().ok_or_else(lost)?;
        self.working = Some(spawn_blocking(move || work(&mut idle).map(|()| idle)));
        Ok(())
    }

    /// Waits until nothing is done.
    async fn wait(&mut self) -> io::Result<&mut T> {
        if let Some(working) = &mut self.working {
            let ended = working.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            self.working = None;
            self.idle = Some(ended?);
        }
        self.idle.as_mut().ok_or_else(lost)
    }
}

fn lost() -> io::Error {
    io::Error::other("the file is not there any more")
}
