//! The tree of files that is served, and how its paths map to files of the system.
//!
//! Every request ends in a system call with an open folder and a path: for the whole machine the working
//! directory and the path as it was sent, else a folder below a mount and one name in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::attributes::FileStat;
use super::handles::Listing;
use super::mounts::{MountPath, Mounts};

/// The longest path, in bytes: more than the system accepts.
const MAX_PATH_BYTES: usize = 4096;

/// The files that are served to a client.
pub(super) enum Tree {
    /// All files of this machine.
    Machine,
    /// Only these folders.
    Mounts(Mounts),
}

/// The kind of access to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Change,
}

/// One name in one open folder. If it is a link, it is not followed.
pub(super) struct MountEntry {
    folder: Option<OwnedFd>,
    name: PathBuf,
}

impl MountEntry {
    pub(super) fn new(folder: OwnedFd, name: PathBuf) -> Self {
        Self { folder: Some(folder), name }
    }

    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_ref().map_or(CWD, AsFd::as_fd)
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    pub(super) fn stat(&self) -> io::Result<Stat> {
        Ok(statat(self.folder(), &self.name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// An open file, and whether it may be changed at its path.
pub(super) struct Opened {
    pub(super) file: OwnedFd,
    pub(super) may_change: bool,
}

impl Tree {
    /// The entry of a path, for requests that do not follow links.
    pub(super) fn entry(&self, path: &str, access: Access) -> io::Result<MountEntry> {
        let path = checked_path(path)?;
        match self {
            Self::Machine => Ok(MountEntry { folder: None, name: path.into() }),
            Self::Mounts(mounts) => match mounts.find(path, access)? {
                MountPath::Below(mount, rest) => mount.entry(&rest),
                MountPath::Root(_) | MountPath::Virtual(_) => Err(Errno::BUSY.into()),
            },
        }
    }

    /// The attributes of the file at a path; links are not followed.
    pub(super) fn lstat_path(&self, path: &str) -> io::Result<FileStat> {
        let path = checked_path(path)?;
        if let Self::Mounts(mounts) = self {
            match mounts.find(path, Access::Read)? {
                MountPath::Virtual(_) => return Ok(FileStat::virtual_folder()),
                MountPath::Root(_) => return self.stat_path(path),
                MountPath::Below(..) => {}
            }
        }
        Ok(FileStat::of(&self.entry(path, Access::Read)?.stat()?))
    }

    /// The attributes of the file at a path; links are followed.
    pub(super) fn stat_path(&self, path: &str) -> io::Result<FileStat> {
        let path = checked_path(path)?;
        match self {
            Self::Machine => Ok(FileStat::of(&statat(CWD, path, AtFlags::empty())?)),
            Self::Mounts(mounts) => match mounts.find(path, Access::Read)? {
                MountPath::Virtual(_) => Ok(FileStat::virtual_folder()),
                _ => Ok(FileStat::of(&fstat(self.open_path(path, Access::Read)?)?)),
            },
        }
    }

    /// Opens the file at a path with `O_PATH`, without access to its contents; links are followed.
    pub(super) fn open_path(&self, path: &str, access: Access) -> io::Result<OwnedFd> {
        let path = checked_path(path)?;
        match self {
            Self::Machine => Ok(openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?),
            Self::Mounts(mounts) => mounts.find(path, access)?.open(OFlags::PATH, Mode::empty()),
        }
    }

    /// Opens a file; links are followed.
    pub(super) fn open(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<Opened> {
        let path = checked_path(path)?;
        // Opening a pipe does not block, and a terminal does not become the controlling one.
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        match self {
            Self::Machine => Ok(Opened { file: openat(CWD, path, flags, mode)?, may_change: true }),
            Self::Mounts(mounts) => {
                let harmless = OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
                let changes = !flags.difference(harmless).is_empty();
                let access = if changes { Access::Change } else { Access::Read };
                let found = mounts.find(path, access)?;
                Ok(Opened { file: found.open(flags, mode)?, may_change: found.may_change() })
            }
        }
    }

    /// Begins to list a folder.
    pub(super) fn list(&self, path: &str) -> io::Result<Listing> {
        let path = checked_path(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self {
            Self::Machine => Listing::of(self.open(path, flags, Mode::empty())?.file, true),
            Self::Mounts(mounts) => match mounts.find(path, Access::Read)? {
                MountPath::Virtual(names) => Ok(Listing::virtual_folder(names)),
                // The parent of a mounted folder is not visible.
                found => Listing::of(found.open(flags | OFlags::CLOEXEC, Mode::empty())?, false),
            },
        }
    }

    /// The path without `.` and `..`, and on the whole machine without links. The last name need not exist.
    pub(super) fn real_path(&self, path: &str) -> io::Result<String> {
        let path = checked_path(path)?;
        let real = match self {
            Self::Machine => {
                real_path_on_machine(Path::new(if path.is_empty() { "." } else { path }))?
            }
            Self::Mounts(_) => return Ok(Mounts::normal(path)),
        };
        real.into_os_string().into_string().map_err(|_| not_utf8())
    }
}

fn real_path_on_machine(path: &Path) -> io::Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(error);
            };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(std::fs::canonicalize(folder)?.join(name))
        }
        real => real,
    }
}

/// Checks that a path is exactly what the client has sent: the library replaces bytes that are not UTF-8.
fn checked_path(path: &str) -> io::Result<&str> {
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Err(not_utf8());
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(path)
}

pub(super) fn not_utf8() -> io::Error {
    io::Error::other(
        "names that are not UTF-8 cannot be asked for by SFTP: use a shell for this file",
    )
}
