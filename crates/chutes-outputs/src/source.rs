//! A file on its way to a sink.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chutes_core::{FileKind, OutputPath, Sha256Digest};

use crate::Fingerprint;

/// Opens a file of the run again, below its directory and without following links.
pub type Open = dyn Fn(FileKind, &OutputPath) -> io::Result<File> + Send + Sync;

/// A collected file of a run on its way to sinks. It is opened again for each attempt and each sink.
#[derive(Clone)]
pub struct SourceFile {
    /// What it is for.
    pub kind: FileKind,
    /// Its path below the folder of its kind.
    pub path: OutputPath,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: Sha256Digest,
    /// The file as it was when its checksum was taken. With it a copy need not be read again to know
    /// that it has this checksum.
    pub fingerprint: Option<Fingerprint>,
    /// Opens it again.
    pub open: Arc<Open>,
    /// How many bytes have gone out. Each attempt has a counter of its own, which shows when it stalls.
    pub sent: Arc<AtomicU64>,
}

impl SourceFile {
    /// A file without a fingerprint, of which no byte has gone out.
    #[must_use]
    pub fn new(
        kind: FileKind,
        path: OutputPath,
        bytes: u64,
        sha256: Sha256Digest,
        open: Arc<Open>,
    ) -> Self {
        Self { kind, path, bytes, sha256, fingerprint: None, open, sent: Arc::default() }
    }

    /// Opens the file for reading from its beginning.
    ///
    /// # Errors
    ///
    /// When it is gone, or cannot be read.
    pub fn open(&self) -> io::Result<File> {
        (self.open)(self.kind, &self.path)
    }

    /// Counts bytes that have gone out.
    pub fn count(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceFile")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
