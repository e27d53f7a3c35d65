//! Which files there are, and where they are for the system.
//!
//! Everything ends in a call that takes an open folder and a path: for the whole machine the working
//! directory and the path as it was sent, else a folder below a mount and one name in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::attributes::FileStat;
use super::handles::Listing;
use super::mounts::{Found, Mounts};

/// The longest path, in bytes: more than the system takes.
const LONGEST_PATH: usize = 4096;

/// What is shown to a client.
pub(super) enum Tree {
    /// All files of this machine.
    Machine,
    /// These folders.
    Mounts(Mounts),
}

/// What is going to be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Look,
    Change,
}

/// One name in one folder. What is behind it is not followed.
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

/// An open file, and whether its place lets it be changed.
pub(super) struct Opened {
    pub(super) file: OwnedFd,
    pub(super) may_change: bool,
}

impl Tree {
    /// The name itself, for what does not follow links.
    pub(super) fn entry(&self, path: &str, access: Access) -> io::Result<MountEntry> {
        let path = checked(path)?;
        match self {
            Self::Machine => Ok(MountEntry { folder: None, name: path.into() }),
            Self::Mounts(mounts) => match mounts.find(path, access)? {
                Found::Below(mount, rest) => mount.entry(&rest),
                Found::Root(_) | Found::Between(_) => Err(Errno::BUSY.into()),
            },
        }
    }

    /// What is at a path; links are not followed.
    pub(super) fn look(&self, path: &str) -> io::Result<FileStat> {
        let path = checked(path)?;
        if let Self::Mounts(mounts) = self {
            match mounts.find(path, Access::Look)? {
                Found::Between(_) => return Ok(FileStat::between()),
                Found::Root(_) => return self.look_behind(path),
                Found::Below(..) => {}
            }
        }
        Ok(FileStat::of(&self.entry(path, Access::Look)?.stat()?))
    }

    /// What is at a path, or behind the link that is there.
    pub(super) fn look_behind(&self, path: &str) -> io::Result<FileStat> {
        let path = checked(path)?;
        match self {
            Self::Machine => Ok(FileStat::of(&statat(CWD, path, AtFlags::empty())?)),
            Self::Mounts(mounts) => match mounts.find(path, Access::Look)? {
                Found::Between(_) => Ok(FileStat::between()),
                _ => Ok(FileStat::of(&fstat(self.hold(path, Access::Look)?)?)),
            },
        }
    }

    /// What is at a path, links followed, without opening it for anything.
    pub(super) fn hold(&self, path: &str, access: Access) -> io::Result<OwnedFd> {
        let path = checked(path)?;
        match self {
            Self::Machine => Ok(openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?),
            Self::Mounts(mounts) => mounts.find(path, access)?.open(OFlags::PATH, Mode::empty()),
        }
    }

    /// Opens a file, links followed.
    pub(super) fn open(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<Opened> {
        let path = checked(path)?;
        // A pipe without a reader is not waited for, and a terminal does not become ours.
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        match self {
            Self::Machine => Ok(Opened { file: openat(CWD, path, flags, mode)?, may_change: true }),
            Self::Mounts(mounts) => {
                let harmless = OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
                let changes = !flags.difference(harmless).is_empty();
                let access = if changes { Access::Change } else { Access::Look };
                let found = mounts.find(path, access)?;
                Ok(Opened { file: found.open(flags, mode)?, may_change: found.may_change() })
            }
        }
    }

    /// Begins to list a folder.
    pub(super) fn list(&self, path: &str) -> io::Result<Listing> {
        let path = checked(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self {
            Self::Machine => Listing::of(self.open(path, flags, Mode::empty())?.file, true),
            Self::Mounts(mounts) => match mounts.find(path, Access::Look)? {
                Found::Between(names) => Ok(Listing::between(names)),
                // What is above a mount is not to be seen.
                found => Listing::of(found.open(flags | OFlags::CLOEXEC, Mode::empty())?, false),
            },
        }
    }

    /// The path without `.`, `..` and, where links are followed, links. The last name need not exist.
    pub(super) fn real_path(&self, path: &str) -> io::Result<String> {
        let path = checked(path)?;
        let real = match self {
            Self::Machine => {
                real_path_on_machine(Path::new(if path.is_empty() { "." } else { path }))?
            }
            Self::Mounts(_) => return Ok(Mounts::normal(path)),
        };
        real.into_os_string().into_string().map_err(|_| not_text())
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

/// A path that is the one that the client has sent. The library replaces what is not UTF-8.
fn checked(path: &str) -> io::Result<&str> {
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Err(not_text());
    }
    if path.len() > LONGEST_PATH {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(path)
}

pub(super) fn not_text() -> io::Error {
    io::Error::other(
        "names that are not UTF-8 cannot be asked for by SFTP: use a shell for this file",
    )
}
