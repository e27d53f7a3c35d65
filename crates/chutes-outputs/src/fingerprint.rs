//! What the file system says of a file, by which a change is seen without reading the file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// What the file system says of a file. As long as it says the same, the file was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Unlike the time of modification, this one cannot be set by a program.
    changed: (i64, i64),
}

/// Two changes within one tick of the clock of a file system have the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

impl Fingerprint {
    /// The fingerprint of a file with this metadata.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The same, unless the file was changed so shortly before `now` that another change could go
    /// unnoticed. For a checksum that was taken by `now`, with the metadata of its end.
    #[must_use]
    pub fn settled(metadata: &Metadata, now: SystemTime) -> Option<Self> {
        let fingerprint = Self::of(metadata);
        let seconds = u64::try_from(fingerprint.changed.0).ok()?;
        let nanoseconds = u32::try_from(fingerprint.changed.1).ok()?;
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let age = now.duration_since(changed).ok()?;
        (age > CLOCK_TICK).then_some(fingerprint)
    }
}
