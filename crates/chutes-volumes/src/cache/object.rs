//! The contents of a cache: put in, and taken out again only if they are what they were.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use chutes_core::{Sha256Digest, Sha256Hasher};
use serde::{Deserialize, Serialize};

use super::{Cache, folder, open, read_entry, remove};

/// How much the kernel copies in one step, in bytes, between two checks whether it is still wanted.
const STEP: u64 = 8 * 1024 * 1024;

/// How much is read at a time when the checksum is taken, too.
const BUFFER: usize = 256 * 1024;

/// What the file system said of a file when its checksum was taken. A program cannot set the time of
/// the last change, so a file with the same time was not written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    /// Whether the last change was so long before that another would have had another time.
    is_settled: bool,
}

/// Two changes within one tick of the clock of a file system have the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

impl Fingerprint {
    /// What is said of a file whose checksum was taken by `now`.
    fn taken(metadata: &Metadata, now: SystemTime) -> Self {
        let settled = Self::settled(metadata);
        let (seconds, nanoseconds) = settled.changed;
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
        let changed = changed.map(|(seconds, rest)| UNIX_EPOCH + Duration::new(seconds, rest));
        let age = changed.and_then(|changed| now.duration_since(changed).ok());
        Self { is_settled: age.is_some_and(|age| age > CLOCK_TICK), ..settled }
    }

    fn settled(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            is_settled: true,
        }
    }
}

/// A content that was found. It can be read as long as this lives, even when it is removed from the cache.
pub(crate) struct Object {
    pub(crate) sha256: Sha256Digest,
    pub(crate) bytes: u64,
    file: File,
    /// Whether it is known without reading it that it has its checksum.
    is_certain: bool,
}

#[cfg(test)]
impl Object {
    pub(super) fn is_certain(&self) -> bool {
        self.is_certain
    }
}

/// The name of the folder of a content, and its name there.
fn names(sha256: Sha256Digest) -> (String, String) {
    let mut first = sha256.to_string();
    let rest = first.split_off(2);
    (first, rest)
}

/// The name of what is known of a content.
pub(super) fn fingerprint_name(name: &str) -> String {
    format!("{name}.json")
}

impl Cache {
    /// Finds a content, of this size if that is known, and counts it as used.
    pub(crate) fn find(&self, sha256: Sha256Digest, bytes: Option<u64>) -> Option<Object> {
        let (first, name) = names(sha256);
        let above = cap_fs_ext::DirExt::open_dir_nofollow(&self.objects, first).ok()?;
        let file = open(&above, &name).ok()?;
        let metadata = file.metadata().ok()?;
        if bytes.is_some_and(|bytes| bytes != metadata.len()) {
            self.discard(sha256);
            return None;
        }
        let fingerprint = open(&above, &fingerprint_name(&name)).ok();
        if let Some(fingerprint) = &fingerprint {
            // One that cannot be touched is removed earlier than it should be.
            let _ = fingerprint.set_modified(SystemTime::now());
        }
        let is_certain = fingerprint.and_then(read_entry) == Some(Fingerprint::settled(&metadata));
        Some(Object { sha256, bytes: metadata.len(), file, is_certain })
    }

    /// Removes a content that is not what it should be.
    pub(crate) fn discard(&self, sha256: Sha256Digest) {
        let (first, name) = names(sha256);
        if let Ok(above) = folder(&self.objects, &first) {
            // What stays is found out again the next time.
            let _ = remove(&above, &name).and_then(|()| remove(&above, &fingerprint_name(&name)));
        }
    }

    /// Keeps the content of a file whose checksum is known. What is larger than the whole cache is not
    /// kept. When `stop` becomes true, nothing is.
    pub(crate) fn store(
        &self,
        mut from: &File,
        sha256: Sha256Digest,
        bytes: u64,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        if bytes > self.max_bytes || self.find(sha256, Some(bytes)).is_some() {
            return Ok(());
        }
        let mut temporary = self.temporary()?;
        from.rewind()?;
        copy(from, &mut temporary.file, bytes, stop)?;
        // After a power failure the name must not lead to an empty file.
        temporary.file.sync_data()?;
        let (first, name) = names(sha256);
        let above = folder(&self.objects, &first)?;
        let file = temporary.file.try_clone()?;
        temporary.rename(&above, &name)?;
        let fingerprint = Fingerprint::taken(&file.metadata()?, SystemTime::now());
        self.certify(&above, &name, &fingerprint)?;
        let stored = self.stored.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if stored > self.max_bytes / 16 { self.evict() } else { Ok(()) }
    }

    /// Records when a file had its checksum. Shortly after it was written that is not enough, so it is read
    /// once more when it is used for the first time.
    fn certify(&self, above: &Dir, name: &str, fingerprint: &Fingerprint) -> io::Result<()> {
        self.write_entry(above, &fingerprint_name(name), fingerprint)
    }

    /// Copies a content. `false` says that it was not what it should be, and is not there any more.
    pub(crate) fn copy(
        &self,
        object: Object,
        to: &mut File,
        stop: &AtomicBool,
    ) -> io::Result<bool> {
        let Object { sha256, bytes, file, is_certain } = object;
        if is_certain {
            // What the disk cannot read has to be fetched again, too.
            match copy(&file, to, bytes, stop) {
                Err(error) if !is_full(&error) && !stop.load(Ordering::Relaxed) => {
                    self.discard(sha256);
                    return Ok(false);
                }
                copied => return copied.map(|()| true),
            }
        }
        // From before the reading, so that a change in the meantime shows.
        let fingerprint = Fingerprint::taken(&file.metadata()?, SystemTime::now());
        if copy_and_check(&file, to, sha256, stop)? {
            let (first, name) = names(sha256);
            // What is not certain is read again the next time.
            let _ = folder(&self.objects, &first)
                .and_then(|above| self.certify(&above, &name, &fingerprint));
            return Ok(true);
        }
        self.discard(sha256);
        Ok(false)
    }
}

/// Whether there is no room on the disk that is written to.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), FileTooLarge | QuotaExceeded | StorageFull)
}

/// Copies a file to an empty one. Neither sees what is written to the other afterwards.
fn copy(mut from: &File, to: &mut File, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
    // Some file systems can share the blocks until one of the files is changed.
    if rustix::fs::ioctl_ficlone(&*to, from).is_ok() {
        return if to.metadata()?.len() == bytes { Ok(()) } else { Err(changed()) };
    }
    let mut copied = 0;
    while copied <= bytes {
        check(stop)?;
        match io::copy(&mut Read::take(&mut from, STEP), to)? {
            0 => break,
            count => copied += count,
        }
    }
    if copied == bytes { Ok(()) } else { Err(changed()) }
}

fn copy_and_check(
    mut from: &File,
    to: &mut File,
    sha256: Sha256Digest,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let mut hasher = Sha256Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        check(stop)?;
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish() == sha256),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Content that the disk cannot read counts as lost.
            Err(_) => return Ok(false),
        }
    }
}

fn check(stop: &AtomicBool) -> io::Result<()> {
    if stop.load(Ordering::Relaxed) { Err(io::Error::other("it was stopped")) } else { Ok(()) }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file has another size than it had")
}
