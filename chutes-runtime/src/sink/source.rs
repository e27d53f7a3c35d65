//! A file on its way to a sink.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chutes_core::{FileKind, OutputPath, Sha256Digest};

/// Opens a file of the run again, below its directory and without following links.
pub(crate) type Open = dyn Fn(FileKind, &OutputPath) -> io::Result<File> + Send + Sync;

/// A collected file of a run. It is opened again for each attempt and each sink.
#[derive(Clone)]
pub(crate) struct SourceFile {
    pub(crate) kind: FileKind,
    pub(crate) path: OutputPath,
    pub(crate) bytes: u64,
    pub(crate) sha256: Sha256Digest,
    /// The file as it was when its checksum was taken. With it a copy need not be read again to know
    /// that it has this checksum.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) open: Arc<Open>,
    /// How many bytes have gone out. Each attempt has a counter of its own; an attempt that stalls is
    /// told by it.
    pub(crate) sent: Arc<AtomicU64>,
}

impl SourceFile {
    /// Opens the file for reading from its beginning.
    pub(crate) fn open(&self) -> io::Result<File> {
        (self.open)(self.kind, &self.path)
    }

    /// Tells that this many bytes more have gone out.
    pub(crate) fn count(&self, bytes: usize) {
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

/// What the file system says of a file, by which one sees that it was not changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Unlike the time of modification, this one cannot be set by a program.
    changed: (i64, i64),
}

/// Two changes within one tick of the clock of a file system have the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The same, unless the file was changed so shortly before `now` that another change could go
    /// unnoticed. For a checksum that was taken by `now`, with the metadata of its end.
    pub(crate) fn settled(metadata: &Metadata, now: SystemTime) -> Option<Self> {
        let stamp = Self::of(metadata);
        let seconds = u64::try_from(stamp.changed.0).ok()?;
        let nanoseconds = u32::try_from(stamp.changed.1).ok()?;
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let age = now.duration_since(changed).ok()?;
        (age > CLOCK_TICK).then_some(stamp)
    }
}
