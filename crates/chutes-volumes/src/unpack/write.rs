//! Makes files and folders below a directory: part by part, and never through a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cap_std::fs::Dir;
use chutes_core::RelativePath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, openat, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

use crate::inputs::{self, FILE_MODE};

/// Every user may also run what the archive marks as executable.
const PROGRAM_MODE: Mode = Mode::from_raw_mode(0o755);

/// Why a file or a folder is not there.
#[derive(Debug)]
pub(super) enum WriteError {
    /// There is something else, which another volume has put there.
    InTheWay(&'static str),
    /// The file system failed.
    Failed(io::Error),
}

impl From<Errno> for WriteError {
    fn from(error: Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// Makes a folder, and those that lead to it, where they are not there.
pub(super) fn make_folder(root: &Dir, path: &RelativePath) -> Result<(), WriteError> {
    let mut folder = None;
    for name in path.components() {
        folder = Some(enter(parent(root, folder.as_ref()), name)?);
    }
    Ok(())
}

/// Makes an empty file, and the folders that lead to it. A file that is there is replaced: it is not
/// written to, because it may be one that has another name, too.
pub(super) fn make_file(
    root: &Dir,
    path: &RelativePath,
    is_executable: bool,
) -> Result<File, WriteError> {
    let mut folder = None;
    let mut components = path.components().peekable();
    while let Some(name) = components.next() {
        if components.peek().is_some() {
            folder = Some(enter(parent(root, folder.as_ref()), name)?);
        }
    }
    let folder = parent(root, folder.as_ref());
    remove_file(folder, path.file_name())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = retry_on_intr(|| openat(folder, path.file_name(), flags, FILE_MODE))?;
    fchmod(&file, if is_executable { PROGRAM_MODE } else { FILE_MODE })?;
    Ok(File::from(file))
}

fn parent<'a>(root: &'a Dir, folder: Option<&'a OwnedFd>) -> BorrowedFd<'a> {
    folder.map_or(root.as_fd(), AsFd::as_fd)
}

fn enter(folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, WriteError> {
    inputs::enter(folder, name).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => {
            WriteError::InTheWay("a file or a link in the place of a folder")
        }
        error => error.into(),
    })
}

fn remove_file(folder: BorrowedFd<'_>, name: &str) -> Result<(), WriteError> {
    let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(unlinkat(folder, name, AtFlags::empty())?),
        FileType::Directory => Err(WriteError::InTheWay("a folder")),
        FileType::Symlink => Err(WriteError::InTheWay("a symbolic link")),
        _ => Err(WriteError::InTheWay("something that is not a file")),
    }
}
