//! Files and folders of `inputs/`: made below it without following links, and there all at once.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use cap_std::fs::Dir;
use chutes_core::RelativePath;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use uuid::Uuid;

use super::VolumeError;

/// Everybody may read what is fetched: a job in a container is another user. Who is not meant to look
/// at a run does not get past the directory of the run.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// A file of `inputs/` that is not complete. It has a name of its own there, and none when this is
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

    /// The file. It has one position, whoever reads and writes.
    pub(crate) fn file(&self) -> Result<File, VolumeError> {
        self.file.try_clone().map_err(|error| failed(&error))
    }

    /// Gives it its place, where it replaces another file, or a link.
    pub(crate) fn publish(mut self, path: &RelativePath) -> Result<(), VolumeError> {
        let permissions = Permissions::from_mode(FILE_MODE);
        self.file.set_permissions(permissions).map_err(|error| failed(&error))?;
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

    /// Takes away its name: it is there as long as it is open.
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
        folder = folder_in(&folder, part)?;
    }
    Ok(folder)
}

fn folder_in(above: &OwnedFd, name: &str) -> Result<OwnedFd, VolumeError> {
    let mode = Mode::from_raw_mode(FOLDER_MODE);
    let is_new = match mkdirat(above, name, mode) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(failed(&error.into())),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(above, name, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => {
            let name = chutes_core::Escaped(name);
            VolumeError::of_user(format!("`{name}` is a file, and cannot be a folder, too"))
        }
        error => failed(&error.into()),
    })?;
    if is_new {
        // The mode of a new folder is less than was asked for where the process says so (umask).
        rustix::fs::fchmod(&folder, mode).map_err(|error| failed(&error.into()))?;
    }
    Ok(folder)
}

fn in_the_way(path: &RelativePath) -> VolumeError {
    VolumeError::of_user(format!("`{path}` is a folder, and cannot be a file, too"))
}

/// An error of the disk that the directory of the run is on.
pub(crate) fn failed(error: &io::Error) -> VolumeError {
    VolumeError::of_platform(format!("cannot write into the directory of the run: {error}"))
}
