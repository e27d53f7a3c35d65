//! Reads a collected file for a sink, and checks that it is still what was collected.
//!
//! The last piece is handed out only after the whole file has been compared with its checksum. A sink
//! that needs the last piece to complete its upload can therefore never complete a wrong one.

#[cfg(test)]
pub(crate) mod tests;

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use bytes::Bytes;
use chutes_core::{Sha256Digest, Sha256Hasher};
use chutes_transfer::TransferError;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::SourceFile;

const CHANGED: &str = "it was changed after it was collected";

/// What is left of a file that is being read.
#[derive(Debug)]
pub(crate) struct Rest {
    file: File,
    hasher: Sha256Hasher,
    left: u64,
    expected: Sha256Digest,
}

impl Rest {
    /// The checksum of everything that has been read so far.
    #[cfg(feature = "object-store")]
    pub(crate) fn checksum_so_far(&self) -> Sha256Digest {
        self.hasher.clone().finish()
    }
}

/// A piece of a file, and what is left after it, if anything is.
pub(crate) type Piece = (Bytes, Option<Rest>);

/// A piece that is being read on another thread.
#[derive(Debug)]
pub(crate) struct Reading(JoinHandle<Result<Piece, TransferError>>);

impl Reading {
    /// Opens the file and reads its first piece. An empty file has one piece, an empty one.
    pub(crate) fn begin(source: &SourceFile, size: usize) -> Self {
        let source = source.clone();
        Self(spawn_blocking(move || {
            let file = source.open().map_err(|error| unreadable(&error))?;
            let (left, expected) = (source.bytes, source.sha256);
            read(Rest { file, hasher: Sha256Hasher::new(), left, expected }, size)
        }))
    }

    /// Reads the next piece.
    pub(crate) fn next(rest: Rest, size: usize) -> Self {
        Self(spawn_blocking(move || read(rest, size)))
    }

    /// Waits for the piece.
    pub(crate) async fn piece(self) -> Result<Piece, TransferError> {
        self.0.await.unwrap_or_else(|error| Err(interrupted(&error)))
    }
}

fn read(mut rest: Rest, size: usize) -> Result<Piece, TransferError> {
    let wanted = rest.left.min(size as u64);
    let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or(size));
    let read = Read::take(&mut rest.file, wanted).read_to_end(&mut piece);
    read.map_err(|error| unreadable(&error))?;
    if (piece.len() as u64) < wanted {
        return Err(changed());
    }
    rest.hasher.update(&piece);
    rest.left -= wanted;
    if rest.left > 0 {
        return Ok((piece.into(), Some(rest)));
    }
    check(rest)?;
    Ok((piece.into(), None))
}

/// Checks, at its end, that the file has no more and that it was the right one.
fn check(mut rest: Rest) -> Result<(), TransferError> {
    let more = Read::take(&mut rest.file, 1).read_to_end(&mut Vec::new());
    let digest = rest.hasher.finish();
    if more.map_err(|error| unreadable(&error))? > 0 || digest != rest.expected {
        return Err(changed());
    }
    Ok(())
}

fn changed() -> TransferError {
    TransferError::permanent(CHANGED)
}

fn unreadable(error: &io::Error) -> TransferError {
    // A file that is gone or was replaced does not come back. A failing disk, or too many open files, may
    // be transient.
    let is_gone = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
    );
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let is_transient = !is_gone && !is_link;
    TransferError {
        is_transient,
        ..TransferError::permanent(format!("it cannot be read: {error}"))
    }
}

fn interrupted(error: &JoinError) -> TransferError {
    TransferError::transient(format!("reading it was stopped: {error}"))
}
