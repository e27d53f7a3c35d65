//! The directory of a run, which holds all of its files.
//!
//! ```text
//! outputs/   output files of the job; collected
//! scratch/   temporary files; not collected
//! inputs/    input files of the job
//! logs/      stdout.log and stderr.log
//! run.jsonl  the log: what was asked for, what happened, the outcome
//! manifest.json
//! outcome.json
//! ```

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use chutes_core::FileKind;

/// The directory of one run. All paths are absolute.
///
/// ```
/// use chutes::run::RunDirectory;
///
/// let folder = tempfile::tempdir()?;
/// let directory = RunDirectory::create(&folder.path().join("runs/first"))?;
/// assert!(directory.outputs().is_dir() && directory.outputs().is_absolute());
/// assert_eq!(directory.journal(), directory.root().join("run.jsonl"));
/// assert!(!directory.journal().exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    root: PathBuf,
    outputs: PathBuf,
    scratch: PathBuf,
    inputs: PathBuf,
}

/// The only entry that a directory may have before a run starts in it.
pub(crate) const INPUTS: &str = "inputs";

const OUTPUTS: &str = FileKind::Output.folder();

const LOG: &str = "run.jsonl";

/// The name of the log in directories that version 0.1.0 has made.
const OLD_LOG: &str = "run.json";

const LOGS: &str = FileKind::Log.folder();

/// The sinks of a run that has not delivered everything. Their addresses may contain credentials, so the file is
/// removed when it is not needed any more.
const SINKS: &str = "sinks.json";

/// The file name of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";

/// The file name of the outcome.
pub(super) const OUTCOME: &str = "outcome.json";

/// Log, manifest and outcome hold data of the job, so only their owner may read them, also outside of the directory.
#[cfg(unix)]
const PRIVATE: u32 = 0o600;

impl RunDirectory {
    /// Creates the directory and its parents. It may exist already if it is empty or holds nothing but `inputs/`,
    /// filled for this run. Only its owner can read it.
    pub fn create(path: &Path) -> Result<Self, RunDirectoryError> {
        let root = std::path::absolute(path).map_err(failed_at(path))?;
        make(&root)?;
        refuse_used(&root)?;
        let directory = Self::at(root);
        let logs = directory.logs();
        for path in [&directory.outputs, &directory.scratch, &directory.inputs, &logs] {
            make(path)?;
        }
        Ok(directory)
    }

    /// Creates the directory of files that are returned with the result.
    pub(super) fn make_artifacts(&self) -> Result<(), RunDirectoryError> {
        make(&self.artifacts())
    }

    /// The directory of a run that has been created before. The path is absolute.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self {
            outputs: root.join(OUTPUTS),
            scratch: root.join("scratch"),
            inputs: root.join(INPUTS),
            root,
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the job writes output files, which are collected: `outputs/`.
    #[must_use]
    pub fn outputs(&self) -> &Path {
        &self.outputs
    }

    /// Where the job writes temporary files, which are not collected: `scratch/`.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where the job finds its input files: `inputs/`.
    #[must_use]
    pub fn inputs(&self) -> &Path {
        &self.inputs
    }

    /// Where the job puts small files that are returned with the result: `artifacts/`. It is there only
    /// in runs whose spec asks for artifacts.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.root.join(FileKind::Artifact.folder())
    }

    /// Where the output streams of the job are kept: `logs/`, with `stdout.log` and `stderr.log`.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join(LOGS)
    }

    /// The log of the run: `run.jsonl`, one JSON record per line, first what was asked for, last the outcome. It has
    /// another name, `run.json`, in directories that version 0.1.0 has made.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        let log = self.root.join(LOG);
        let old = self.root.join(OLD_LOG);
        if !log.exists() && old.exists() { old } else { log }
    }

    /// The outcome: `outcome.json`, an [`Outcome`](chutes_core::Outcome), written last.
    #[must_use]
    pub fn outcome(&self) -> PathBuf {
        self.root.join(OUTCOME)
    }

    /// The manifest: `manifest.json`, a [`Manifest`](chutes_core::Manifest), there when the run has ended.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }
}

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
    pub(super) fn open(directory: &RunDirectory) -> Result<Self, RunDirectoryError> {
        let path = directory.root();
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed_at(path))?;
        let is_there = |name| root.symlink_metadata(name).is_ok();
        let log = if !is_there(LOG) && is_there(OLD_LOG) { OLD_LOG } else { LOG };
        Ok(Self { root, path: path.to_owned(), log })
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

    /// Creates the log and locks it. Fails if it exists: then it belongs to another run.
    pub(super) fn create_log(&self) -> io::Result<File> {
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
    pub(super) fn is_log(&self, file: &File) -> io::Result<bool> {
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
    pub(super) fn restore_log(&self, content: &[u8]) -> io::Result<File> {
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
    pub(super) fn open_log(&self) -> Result<File, OpenLogError> {
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
        let mut options = options.clone();
        // Opening a pipe, or reading it, might never end.
        cap_std::fs::OpenOptionsExt::custom_flags(
            &mut options,
            rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
        );
        let file = self.root.open_with(name, &options)?.into_std();
        if !file.metadata()?.is_file() {
            return Err(io::Error::other(format!("`{name}` is not a regular file")));
        }
        Ok(file)
    }

    /// Writes the sinks of the run, for a supervisor that recovers it.
    pub(super) fn write_sinks(&self, content: &[u8]) -> io::Result<()> {
        self.replace(SINKS, content)
    }

    /// The content that [`write_sinks`](Self::write_sinks) wrote, if the file still exists.
    pub(super) fn read_sinks(&self) -> io::Result<Option<Vec<u8>>> {
        self.read(SINKS)
    }

    /// Removes the file of the sinks.
    pub(super) fn remove_sinks(&self) -> io::Result<()> {
        match self.root.remove_file(SINKS) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The manifest, if there is one.
    pub(super) fn read_manifest(&self) -> io::Result<Option<Vec<u8>>> {
        self.read(MANIFEST)
    }

    /// Whether the outcome is there as a file of its own.
    pub(super) fn has_outcome(&self) -> bool {
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
    pub(super) fn sync(&self) -> io::Result<()> {
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
    pub(super) fn keep_damaged(&self, content: &mut impl Read) -> io::Result<()> {
        let mut options = private();
        options.append(true).create(true);
        let mut file = self.root.open_with(format!("{}.damaged", self.log), &options)?;
        io::copy(content, &mut file)?;
        file.sync_all()
    }

    /// Replaces a file in one step, so that a reader sees the old content or the new one.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
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
pub(super) enum OpenLogError {
    /// A supervisor holds its lock.
    #[error("the run is in progress")]
    InUse,
    /// It cannot be opened.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, PRIVATE);
    options
}

fn make(path: &Path) -> Result<(), RunDirectoryError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed_at(path))
}

fn refuse_used(root: &Path) -> Result<(), RunDirectoryError> {
    for entry in std::fs::read_dir(root).map_err(failed_at(root))? {
        let name = entry.map_err(failed_at(root))?.file_name();
        if name != INPUTS {
            return Err(RunDirectoryError::NotEmpty { path: root.to_owned() });
        }
    }
    Ok(())
}

fn failed_at(path: &Path) -> impl FnOnce(io::Error) -> RunDirectoryError {
    let path = path.to_owned();
    move |source| RunDirectoryError::Create { path, source }
}

/// Why a directory cannot be used for a new run.
///
/// ```
/// use chutes::run::RunDirectory;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("notes.txt"), "mine")?;
/// let error = RunDirectory::create(folder.path()).unwrap_err();
/// let path = folder.path().display();
/// assert_eq!(error.to_string(), format!("the run directory `{path}` is not empty"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirectoryError {
    /// It contains other entries than `inputs/`, perhaps another run.
    #[error("the run directory `{}` is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be created or read.
    #[error("cannot create the run directory `{}`", path.display())]
    Create {
        /// The directory, or the path below it that failed.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inputs_may_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("a/b");
        let made = RunDirectory::create(&fresh).unwrap();
        assert!(made.outputs().is_absolute() && made.outputs().is_dir() && made.logs().is_dir());
        assert!(matches!(RunDirectory::create(&fresh), Err(RunDirectoryError::NotEmpty { .. })));

        let prepared = folder.path().join("prepared");
        std::fs::create_dir_all(prepared.join("inputs")).unwrap();
        std::fs::write(prepared.join("inputs/x"), "x").unwrap();
        let made = RunDirectory::create(&prepared).unwrap();
        assert!(made.inputs().join("x").is_file());
    }

    #[test]
    fn a_file_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = RunDirectory::create(&file.join("run")).unwrap_err();
        assert!(matches!(error, RunDirectoryError::Create { .. }), "{error}");
    }
}
