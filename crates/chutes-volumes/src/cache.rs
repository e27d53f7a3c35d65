//! Files by their content, shared between runs.
//!
//! ```text
//! objects/ab/cdef…        the content with the SHA-256 checksum abcdef…
//! objects/ab/cdef….json   what the file system said of it when its checksum was taken; the time of
//!                         the last change of this file is when the content was last used
//! keys/0123…              which content a URL or a commit names, by the checksum of that name
//! partial/                what is being written
//! ```
//!
//! Everything gets its name when it is complete, so that several processes can use the cache at the
//! same time. What one of them removes stays there for those that have opened it. A cache that is
//! broken, or cannot be written, costs time and nothing else.

mod evict;
mod object;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use chutes_core::Sha256Digest;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, renameat, unlinkat};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::object::Object;
use super::settings::CacheSettings;

/// No process writes one piece of a file for longer, so what is older was left behind.
const ABANDONED: Duration = Duration::from_hours(1);

/// The largest entry, in bytes. What is larger is not ours.
const LARGEST_ENTRY: u64 = 64 * 1024;

/// The cache of the user.
pub(crate) struct Cache {
    objects: Dir,
    keys: Dir,
    partial: Dir,
    max_bytes: u64,
    /// How much was stored since the last check whether that is too much.
    stored: AtomicU64,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) sha256: Sha256Digest,
    pub(crate) bytes: u64,
    /// What the server called this state of the content.
    pub(crate) etag: Option<String>,
}

impl Cache {
    /// Opens a cache, and makes it when it is not there.
    pub(crate) fn open(settings: &CacheSettings) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        // What is private on a server must not be public here.
        builder.recursive(true).mode(0o700).create(&settings.dir)?;
        let root = Dir::open_ambient_dir(&settings.dir, ambient_authority())?;
        let cache = Self {
            objects: folder(&root, "objects")?,
            keys: folder(&root, "keys")?,
            partial: folder(&root, "partial")?,
            max_bytes: settings.max_bytes,
            stored: AtomicU64::new(0),
        };
        cache.sweep(SystemTime::now())?;
        Ok(cache)
    }

    /// What a name stands for, if that is known.
    pub(crate) fn entry(&self, key: &str) -> Option<Entry> {
        let file = open(&self.keys, &key_name(key)).ok()?;
        read_entry(file)
    }

    /// Writes down what a name stands for.
    pub(crate) fn remember(&self, key: &str, entry: &Entry) -> io::Result<()> {
        self.write_entry(&self.keys, &key_name(key), entry)
    }

    /// Writes a small file that is complete as soon as it has its name. What it says is checked when
    /// it is used, so that it need not be on disk before.
    fn write_entry(&self, folder: &Dir, name: &str, entry: &impl Serialize) -> io::Result<()> {
        let mut temporary = self.temporary()?;
        temporary.file.write_all(&serde_json::to_vec(entry)?)?;
        temporary.rename(folder, name)
    }

    fn temporary(&self) -> io::Result<Temporary<'_>> {
        let name = Uuid::now_v7().to_string();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = File::from(openat(&self.partial, &*name, flags | OFlags::CLOEXEC, mode)?);
        // Shows other processes that it is in use, where the file system has locks.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Temporary { folder: &self.partial, name, file, is_named: true })
    }

    /// Removes what processes have left behind that were ended.
    fn sweep(&self, now: SystemTime) -> io::Result<()> {
        for entry in self.partial.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            // One that is gone was completed by its process.
            let Ok(file) = open(&self.partial, name) else { continue };
            let age = file.metadata()?.modified().ok().and_then(|at| now.duration_since(at).ok());
            let is_old = age.is_some_and(|age| age > ABANDONED);
            if is_old && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                remove(&self.partial, name)?;
            }
        }
        Ok(())
    }
}

/// A file that has no name of its own yet, and is removed when it does not get one.
struct Temporary<'a> {
    folder: &'a Dir,
    name: String,
    file: File,
    is_named: bool,
}

impl Temporary<'_> {
    fn rename(mut self, folder: &Dir, name: &str) -> io::Result<()> {
        renameat(self.folder, &*self.name, folder, name)?;
        self.is_named = false;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.is_named {
            // What cannot be removed is swept later.
            let _ = remove(self.folder, &self.name);
        }
    }
}

/// Opens a folder, and makes it when it is not there.
fn folder(above: &Dir, name: &str) -> io::Result<Dir> {
    let made = rustix::fs::mkdirat(above, name, Mode::RWXU).map_err(io::Error::from);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => above.open_dir_nofollow(name),
    }
}

/// Opens a regular file for reading.
fn open(folder: &Dir, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder, name, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"))
}

fn remove(folder: &Dir, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(error) if error != rustix::io::Errno::NOENT => Err(error.into()),
        _ => Ok(()),
    }
}

fn read_entry<T: for<'de> Deserialize<'de>>(file: File) -> Option<T> {
    let mut text = Vec::new();
    Read::take(file, LARGEST_ENTRY).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Names may have secrets in them, and be of any length.
fn key_name(key: &str) -> String {
    Sha256Digest::of(key).to_string()
}
