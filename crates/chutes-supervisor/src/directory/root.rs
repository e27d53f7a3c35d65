//! A handle of the directory of a run, and the files in it that belong to the supervisor.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use chutes_core::{FileKind, OutputPath};
use chutes_outputs::open_below;

use super::{LOG, MANIFEST, OLD_LOG, OUTCOME, RunDirectory, RunDirectoryError, failed_at};

/// The sinks of a run that has not delivered everything. Their addresses may contain credentials, so the file is
/// removed when it is not needed any more.
const SINKS: &str = "sinks.json";

/// Log, manifest and outcome hold data of the job, so only their owner may read them, also outside of the directory.
#[cfg(unix)]
const PRIVATE: u32 = 0o600;

/// A handle of the directory of a run, opened before user code runs.
///
/// A job can rename its directory or replace it by a link; the handle still refers to the original directory.
#[derive(Debug)]
pub(crate) struct RunRoot {
    root: Dir,
    path: PathBuf,
    /// The name of the log.
    log: &'static str,
}

impl RunRoot {
    pub(crate) fn open(directory: &RunDirectory) -> Result<Self, RunDirectoryError> {
        let path = directory.root();
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed_at(path))?;
        let is_there = |name| root.symlink_metadata(name).is_ok();
        let log = if !is_there(LOG) && is_there(OLD_LOG) { OLD_LOG } else { LOG };
        Ok(Self { root, path: path.to_owned(), log })
    }

    /// Whether version 0.1.0 has made the directory.
    pub(crate) fn is_old(&self) -> bool {
        self.log == OLD_LOG
    }

    /// The path of the directory, for people.
    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Opens a directory of the run. Fails if a link or a file has replaced it.
    pub(crate) fn open_dir(&self, name: &str) -> io::Result<Dir> {
        self.root.open_dir_nofollow(name)
    }

    /// Opens the directory of the files of a kind. Fails if a link or a file has replaced it.
    pub(crate) fn folder(&self, kind: FileKind) -> io::Result<Dir> {
        self.open_dir(kind.folder())
    }

    /// Opens a file of a kind for reading from its beginning. Fails if a link has replaced it, or a folder above it.
    pub(crate) fn open_file(&self, kind: FileKind, path: &OutputPath) -> io::Result<File> {
        let below = OutputPath::new(kind.folder()).and_then(|folder| folder.join(path.as_bytes()));
        open_below(&self.root, &below.map_err(io::Error::other)?)
    }

    /// Creates the log and locks it. Fails if it exists: then it belongs to another run.
    pub(crate) fn create_log(&self) -> io::Result<File> {
        let mut options = private();
        options.read(true).append(true).create_new(true);
        let file = self.root.open_with(LOG, &options)?.into_std();
        // A process that looks for a run here may hold the lock for a moment, and finds an empty log.
        file.lock()?;
        // The name of the file has to survive a power cut, too.
        self.sync_names()?;
        Ok(file)
    }

    /// Whether this is still the file that is found as the log: a job can remove it, or put another into its place.
    pub(crate) fn is_log(&self, file: &File) -> io::Result<bool> {
        use cap_std::fs::MetadataExt;
        use std::os::unix::fs::MetadataExt as _;

        let there = match self.root.symlink_metadata(self.log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            there => there?,
        };
        let open = file.metadata()?;
        Ok((MetadataExt::dev(&there), MetadataExt::ino(&there)) == (open.dev(), open.ino()))
    }

    /// Makes a log with this content, in the place of whatever is there.
    pub(crate) fn restore_log(&self, content: &[u8]) -> io::Result<File> {
        if self.root.symlink_metadata(self.log).is_ok_and(|there| there.is_dir()) {
            self.root.rename(self.log, &self.root, format!("{}.not-a-journal", self.log))?;
        }
        self.replace(self.log, content)?;
        let mut options = private();
        options.read(true).append(true);
        let file = self.root.open_with(self.log, &options)?.into_std();
        file.lock()?;
        self.sync_names()?;
        Ok(file)
    }

    /// Opens the log of a run that was started before, and locks it. Fails if a live supervisor holds the lock.
    pub(crate) fn open_log(&self) -> Result<File, OpenLogError> {
        let mut options = private();
        options.read(true).append(true);
        let file = self.regular(self.log, &options)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenLogError::InUse,
            TryLockError::Error(error) => OpenLogError::Io(error),
        })?;
        Ok(file)
    }

    /// Opens the log for reading only, whether a supervisor lives or not.
    pub(crate) fn read_log(&self) -> io::Result<File> {
        self.read_file(self.log)
    }

    /// Opens a file for reading. Fails if it is no regular file.
    pub(crate) fn read_file(&self, name: &str) -> io::Result<File> {
        let mut options = private();
        options.read(true);
        self.regular(name, &options)
    }

    /// The path of the directory. It may have been renamed since it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the log, for people.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.path.join(self.log)
    }

    fn regular(&self, name: &str, options: &OpenOptions) -> io::Result<File> {
        open_regular(&self.root, name, options)
    }

    /// Writes the sinks of the run, for a supervisor that recovers it.
    pub(crate) fn write_sinks(&self, content: &[u8]) -> io::Result<()> {
        self.replace(SINKS, content)
    }

    /// The content that [`write_sinks`](Self::write_sinks) wrote, if the file still exists.
    pub(crate) fn read_sinks(&self) -> io::Result<Option<Vec<u8>>> {
        self.read(SINKS)
    }

    /// Removes the file of the sinks.
    pub(crate) fn remove_sinks(&self) -> io::Result<()> {
        match self.root.remove_file(SINKS) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The manifest, if there is one.
    pub(crate) fn read_manifest(&self) -> io::Result<Option<Vec<u8>>> {
        self.read(MANIFEST)
    }

    /// Whether the outcome is there as a file of its own.
    pub(crate) fn has_outcome(&self) -> bool {
        self.root.symlink_metadata(OUTCOME).is_ok()
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        match self.read_file(name) {
            Ok(mut file) => file.read_to_end(&mut content).map(|_| Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Syncs the file system of the run to disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(self.readable()?)?)
    }

    /// Syncs the directory itself, with the names of its files, to disk.
    fn sync_names(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.readable()?)?)
    }

    /// Opens the directory for reading: the handle is opened with `O_PATH`, which does not allow a sync.
    fn readable(&self) -> io::Result<std::os::fd::OwnedFd> {
        use rustix::fs::{Mode, OFlags, openat};

        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.root, c".", flags, Mode::empty())?)
    }

    /// Appends the unreadable part of a log to `run.jsonl.damaged`.
    pub(crate) fn keep_damaged(&self, content: &mut impl Read) -> io::Result<()> {
        let mut options = private();
        options.append(true).create(true);
        let mut file = self.root.open_with(format!("{}.damaged", self.log), &options)?;
        io::copy(content, &mut file)?;
        file.sync_all()
    }

    /// Replaces a file in one step, so that a reader sees the old content or the new one.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.tmp");
        let mut options = private();
        options.write(true).create(true).truncate(true);
        let mut file = self.root.open_with(&temporary, &options)?;
        file.write_all(content)?;
        file.sync_all()?;
        self.root.rename(&temporary, &self.root, name)?;
        self.sync_names()
    }
}

/// Why the log of a run cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenLogError {
    /// A supervisor holds its lock.
    #[error("the run is in progress")]
    InUse,
    /// It cannot be opened.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens a file of a folder that a job may have changed. Fails if it is no regular file, also if it is a link.
pub(crate) fn open_regular(folder: &Dir, name: &str, options: &OpenOptions) -> io::Result<File> {
    let mut options = options.clone();
    options.follow(FollowSymlinks::No);
    // Opening a pipe, or reading it, might never end.
    cap_std::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = folder.open_with(name, &options)?.into_std();
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("`{name}` is not a regular file")));
    }
    Ok(file)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, PRIVATE);
    options
}
