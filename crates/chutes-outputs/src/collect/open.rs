//! Opens what is below a directory: part by part, and never through a link.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use cap_std::fs::Dir;
use chutes_core::OutputPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::{Errno, retry_on_intr};

/// What distinguishes one state of a file from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileStat {
    pub(super) kind: FileType,
    pub(super) bytes: u64,
    /// When it was last written: nanoseconds since 1970.
    pub(super) modified: i128,
    pub(super) inode: u64,
    device: u64,
}

impl FileStat {
    fn of(stat: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            bytes: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            inode: stat.st_ino,
            device: stat.st_dev,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    /// Whether it is the same file, whatever is in it.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether nothing was written to it.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        (self.bytes, self.modified) == (other.bytes, other.modified)
    }
}

impl From<&Metadata> for FileStat {
    fn from(metadata: &Metadata) -> Self {
        Self {
            kind: FileType::from_raw_mode(metadata.mode()),
            bytes: metadata.size(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

/// Opens whatever is there, unless that is a link or a socket.
pub(super) fn file_below(root: &Dir, path: &OutputPath) -> io::Result<(File, FileStat)> {
    // Opening a pipe waits for its other end, and opening a terminal can take hold of it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match at_once(root, path.as_bytes(), flags) {
        Some(file) => file,
        None => in_parent(root, path, |folder, name| open(folder, name, flags))?,
    };
    let file = File::from(file);
    let stat = FileStat::from(&file.metadata()?);
    Ok((file, stat))
}

/// The state of what is there now; that of the link if it is one.
pub(super) fn stat_below(root: &Dir, path: &OutputPath) -> io::Result<FileStat> {
    in_parent(root, path, stat_in)
}

/// The state of an entry of an open folder.
pub(super) fn stat_in(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<FileStat> {
    Ok(FileStat::of(&statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// Opens a folder in an open folder for listing it.
pub(super) fn folder_in(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    open(folder, name, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn open(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(folder, name, flags, Mode::empty()))?)
}

/// Opens something below a directory in one call, which follows links as little as opening part by part does. `None` where
/// that fails for whatever reason: the system has no such call, the path is too long for it, or nothing can be opened, of
/// which the parts say more.
fn at_once(root: &Dir, path: &[u8], flags: OFlags) -> Option<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    retry_on_intr(|| openat2(root, path, flags, Mode::empty(), resolve)).ok()
}

/// Does something with the last part of a path in the folder that the other parts lead to.
fn in_parent<T>(
    root: &Dir,
    path: &OutputPath,
    then: impl FnOnce(BorrowedFd<'_>, &[u8]) -> io::Result<T>,
) -> io::Result<T> {
    let mut parts = path.parts().peekable();
    let mut parent: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let folder = parent.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        if parts.peek().is_none() {
            return then(folder, part);
        }
        // A folder that may be passed through need not be one that may be listed.
        parent = Some(open(folder, part, OFlags::PATH | OFlags::DIRECTORY)?);
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Whether there is nothing of that name any more.
pub(super) fn is_gone(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NOENT)
}

/// Whether there is a link, a socket, or a file in the place of a folder.
pub(super) fn is_something_else(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO))
}

/// Its name in messages.
pub(super) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Unknown => "something unknown",
    }
}
