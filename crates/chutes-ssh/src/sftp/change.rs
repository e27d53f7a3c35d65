//! Changes of files and folders.

use std::fs::Permissions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use russh_sftp::protocol::FileAttributes;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, chownat, ftruncate,
    linkat, mkdirat, open, readlinkat, renameat, renameat_with, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::handles::OpenFile;
use super::tree::{Access, MountEntry, Tree, not_utf8};
use crate::descriptor::descriptor_path;

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

    /// Renames a file, and replaces a file that has the new name.
    pub(super) fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.entry(from, Access::Change)?, self.entry(to, Access::Change)?);
        Ok(renameat(from.folder(), from.name(), to.folder(), to.name())?)
    }

    /// Renames a file, unless a file has the new name.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.entry(from, Access::Change)?, self.entry(to, Access::Change)?);
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(from.folder(), from.name(), to.folder(), to.name(), flags) {
            // Not every file system supports this.
            Err(Errno::INVAL | Errno::NOSYS) => rename_by_link(&from, &to),
            renamed => Ok(renamed?),
        }
    }

    /// Makes a hard link. The file could be changed by it, so the file must not be read-only.
    pub(super) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.entry(from, Access::Change)?, self.entry(to, Access::Change)?);
        Ok(linkat(from.folder(), from.name(), to.folder(), to.name(), AtFlags::empty())?)
    }

    /// Makes a symbolic link with this text as its target, which is not checked.
    pub(super) fn make_link(&self, text: &str, at: &str) -> io::Result<()> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(not_utf8());
        }
        let entry = self.entry(at, Access::Change)?;
        Ok(symlinkat(text, entry.folder(), entry.name())?)
    }

    /// The target of a symbolic link.
    pub(super) fn read_link(&self, path: &str) -> io::Result<String> {
        let entry = self.entry(path, Access::Read)?;
        let text = readlinkat(entry.folder(), entry.name(), Vec::new())?;
        text.into_string().map_err(|_| not_utf8())
    }

    /// Sets attributes of the file at a path; links are followed.
    pub(super) fn set(&self, path: &str, attributes: &FileAttributes) -> io::Result<()> {
        let file = self.open_path(path, Access::Change)?;
        let truncate = |size| {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            Ok(ftruncate(open(descriptor_path(&file), flags, Mode::empty())?, size)?)
        };
        set(&file, attributes, truncate)
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
    file: &impl AsFd,
    attributes: &FileAttributes,
    truncate: impl FnOnce(u64) -> io::Result<()>,
) -> io::Result<()> {
    // A file that was opened with `O_PATH` can be changed only by this path.
    let path = descriptor_path(file);
    if let Some(size) = attributes.size {
        truncate(size)?;
    }
    if let (Some(uid), Some(gid)) = (attributes.uid, attributes.gid) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        chownat(CWD, &path, Some(uid), Some(gid), AtFlags::empty())?;
    }
    // The mode is set after the owner, which clears special bits. Times are set last, because every other
    // change sets some.
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

/// Makes a hard link, then removes the old name. Folders cannot be linked, so for them the new name is
/// checked first.
fn rename_by_link(from: &MountEntry, to: &MountEntry) -> io::Result<()> {
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
