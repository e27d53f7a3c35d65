//! Files and folders of `inputs/`: made below it without following links, and there all at once.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use cap_std::fs::Dir;
use chutes_core::RelativePath;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, mkdirat, openat, renameat, unlinkat};
use rustix::io::{Errno, retry_on_intr};
use uuid::Uuid;

use super::VolumeError;

/// Every user may read what is fetched: a job in a container is another user. Users who must not see a run
/// cannot enter the directory of the run.
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

/// A file of `inputs/` that is not complete. It has a temporary name there, which is removed when this is
/// dropped.
pub(crate) struct Scratch {
    inputs: Arc<Dir>,
    name: String,
    file: File,
    is_named: bool,
}

impl Scratch {
    /// Makes an empty file.
    pub(crate) fn create(inputs: &Arc<Dir>) -> Result<Self, VolumeError> {
        let name = format!(".chutes-{}.part", Uuid::now_v7());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = openat(inputs.as_fd(), &*name, flags | OFlags::CLOEXEC, mode)
            .map_err(|error| failed(&error.into()))?;
        Ok(Self { inputs: inputs.clone(), name, file: file.into(), is_named: true })
    }

    /// The file. All its handles share one position.
    pub(crate) fn file(&self) -> Result<File, VolumeError> {
        self.file.try_clone().map_err(|error| failed(&error))
    }

    /// Moves it to its place, where it replaces another file, or a link.
    pub(crate) fn publish(mut self, path: &RelativePath) -> Result<(), VolumeError> {
        fchmod(&self.file, FILE_MODE).map_err(|error| failed(&error.into()))?;
        let above = path.as_str().rsplit_once('/').map(|(above, _)| above);
        let folder = folder_at(&self.inputs, above.into_iter().flat_map(|path| path.split('/')))?;
        let renamed = renameat(self.inputs.as_fd(), &*self.name, &folder, path.file_name());
        match renamed {
            Ok(()) => self.is_named = false,
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => return Err(in_the_way(path)),
            Err(error) => return Err(failed(&error.into())),
        }
        Ok(())
    }

    /// Removes its name: the content lives as long as the file is open.
    pub(crate) fn into_nameless(mut self) -> Result<File, VolumeError> {
        self.is_named = false;
        unlinkat(self.inputs.as_fd(), &*self.name, AtFlags::empty())
            .map_err(|error| failed(&error.into()))?;
        self.file()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_named {
            // What cannot be removed is no reason to fail: the directory belongs to this run alone.
            let _ = unlinkat(self.inputs.as_fd(), &*self.name, AtFlags::empty());
        }
    }
}

/// Opens a folder of `inputs/`, and makes it, with those above it, when it is not there.
pub(crate) fn folder(inputs: &Dir, path: Option<&RelativePath>) -> Result<Dir, VolumeError> {
    let parts = path.into_iter().flat_map(RelativePath::components);
    Ok(Dir::from_std_file(folder_at(inputs, parts)?.into()))
}

fn folder_at<'a>(
    inputs: &Dir,
    parts: impl Iterator<Item = &'a str>,
) -> Result<OwnedFd, VolumeError> {
    let mut folder = inputs.as_fd().try_clone_to_owned().map_err(|error| failed(&error))?;
    for part in parts {
        folder = enter(folder.as_fd(), part).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => {
                let name = chutes_core::Escaped(part);
                VolumeError::download_failed(format!(
                    "`{name}` is a file, and cannot be a folder, too"
                ))
            }
            error => failed(&error.into()),
        })?;
    }
    Ok(folder)
}

/// Opens a folder in a folder, never through a link, and makes it first if it is not there. Something else
/// in its place is [`Errno::NOTDIR`] or [`Errno::LOOP`].
pub(super) fn enter(above: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let is_new = match mkdirat(above, name, FOLDER_MODE) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = retry_on_intr(|| openat(above, name, flags, Mode::empty()))?;
    if is_new {
        // The umask of the process may have reduced the mode of a new folder.
        fchmod(&folder, FOLDER_MODE)?;
    }
    Ok(folder)
}

fn in_the_way(path: &RelativePath) -> VolumeError {
    VolumeError::download_failed(format!("`{path}` is a folder, and cannot be a file, too"))
}

/// An error of the file system that the directory of the run is on.
pub(crate) fn failed(error: &io::Error) -> VolumeError {
    VolumeError::platform(format!("cannot write into the directory of the run: {error}"))
}
