//! Changes of files and folders.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use russh_sftp::protocol::FileAttributes;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, chownat, ftruncate,
    linkat, mkdirat, open, readlinkat, renameat, renameat_with, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::handles::OpenFile;
use super::tree::{Access, MountEntry, Tree, not_text};

/// The bits of a mode that can be set.
const MODE_BITS: u32 = 0o7777;

impl Tree {
    pub(super) fn remove_file(&self, path: &str) -> io::Result<()> {
        let entry = self.entry(path, Access::Change)?;
        Ok(unlinkat(entry.folder(), entry.name(), AtFlags::empty())?)
    }

    pub(super) fn remove_folder(&self, path: &str) -> io::Result<()> {
        let entry = self.entry(path, Access::Change)?;
        Ok(unlinkat(entry.folder(), entry.name(), AtFlags::REMOVEDIR)?)
    }

    pub(super) fn make_folder(&self, path: &str, mode: Option<u32>) -> io::Result<()> {
        let entry = self.entry(path, Access::Change)?;
        let mode = Mode::from_raw_mode(mode.unwrap_or(0o777) & MODE_BITS);
        Ok(mkdirat(entry.folder(), entry.name(), mode)?)
    }

    /// Gives a file another name, in place of what has that name now.
    pub(super) fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.entry(from, Access::Change)?, self.entry(to, Access::Change)?);
        Ok(renameat(from.folder(), from.name(), to.folder(), to.name())?)
    }

    /// Gives a file another name, which nothing has.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.entry(from, Access::Change)?, self.entry(to, Access::Change)?);
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(from.folder(), from.name(), to.folder(), to.name(), flags) {
            // Not every file system knows how.
            Err(Errno::INVAL | Errno::NOSYS) => rename_in_steps(&from, &to),
            renamed => Ok(renamed?),
        }
    }

    /// A second name for a file. Whoever has it can change the file, so it must not be read-only.
    pub(super) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.entry(from, Access::Change)?, self.entry(to, Access::Change)?);
        Ok(linkat(from.folder(), from.name(), to.folder(), to.name(), AtFlags::empty())?)
    }

    /// A link with this text, whatever that means.
    pub(super) fn make_link(&self, text: &str, at: &str) -> io::Result<()> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(not_text());
        }
        let entry = self.entry(at, Access::Change)?;
        Ok(symlinkat(text, entry.folder(), entry.name())?)
    }

    /// The text of a link.
    pub(super) fn read_link(&self, path: &str) -> io::Result<String> {
        let entry = self.entry(path, Access::Look)?;
        let text = readlinkat(entry.folder(), entry.name(), Vec::new())?;
        text.into_string().map_err(|_| not_text())
    }

    /// Sets attributes of what is at a path, links followed.
    pub(super) fn set(&self, path: &str, attributes: &FileAttributes) -> io::Result<()> {
        let held = self.hold(path, Access::Change)?;
        let truncate = |size| {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            Ok(ftruncate(open(path_of(&held), flags, Mode::empty())?, size)?)
        };
        set(&held, attributes, truncate)
    }
}

impl OpenFile {
    /// Sets attributes of an open file.
    pub(super) fn set(&self, attributes: &FileAttributes) -> io::Result<()> {
        if !self.may_change {
            return Err(Errno::ROFS.into());
        }
        set(&self.file, attributes, |size| self.file.set_len(size))
    }
}

fn set(
    file: &(impl AsFd + AsRawFd),
    attributes: &FileAttributes,
    truncate: impl FnOnce(u64) -> io::Result<()>,
) -> io::Result<()> {
    // What was opened for nothing but to hold it can be changed by this path only.
    let path = path_of(file);
    if let Some(size) = attributes.size {
        truncate(size)?;
    }
    if let (Some(uid), Some(gid)) = (attributes.uid, attributes.gid) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        chownat(CWD, &path, Some(uid), Some(gid), AtFlags::empty())?;
    }
    // After the owner: that takes special bits away. Times come last, as everything else sets some.
    if let Some(mode) = attributes.permissions {
        std::fs::set_permissions(&path, Permissions::from_mode(mode & MODE_BITS))?;
    }
    if let (Some(accessed), Some(modified)) = (attributes.atime, attributes.mtime) {
        let at = |seconds: u32| Timespec { tv_sec: seconds.into(), tv_nsec: 0 };
        let times = Timestamps { last_access: at(accessed), last_modification: at(modified) };
        utimensat(CWD, &path, &times, AtFlags::empty())?;
    }
    Ok(())
}

fn path_of(file: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A second name, then without the first. Folders have no second name, and are looked for before.
fn rename_in_steps(from: &MountEntry, to: &MountEntry) -> io::Result<()> {
    match linkat(from.folder(), from.name(), to.folder(), to.name(), AtFlags::empty()) {
        Ok(()) => Ok(unlinkat(from.folder(), from.name(), AtFlags::empty())?),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => match to.stat() {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(renameat(from.folder(), from.name(), to.folder(), to.name())?)
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    }
}
