//! The directory of a run: where everything about it lives.
//!
//! ```text
//! outputs/   what the job writes for others; collected
//! scratch/   temporary files; not collected
//! inputs/    what the job is given
//! logs/      stdout.log and stderr.log
//! run.json   the journal: spec, changes of status, outcome
//! manifest.json
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
/// use chutes_supervisor::RunDirectory;
///
/// let folder = tempfile::tempdir()?;
/// let directory = RunDirectory::create(&folder.path().join("runs/first"))?;
/// assert!(directory.outputs().is_dir() && directory.outputs().is_absolute());
/// assert_eq!(directory.journal(), directory.root().join("run.json"));
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

const JOURNAL: &str = "run.json";

const LOGS: &str = FileKind::Log.folder();

/// The sinks of a run that has not delivered everything. They may hold credentials, so the file is
/// removed when they are not needed any more.
const SINKS: &str = "sinks.json";

/// The file name of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";

/// Journal and manifest hold data of the job, so nobody else may read them, wherever they are.
#[cfg(unix)]
const PRIVATE: u32 = 0o600;

impl RunDirectory {
    /// Makes the directory, with parents. It may exist already if it is empty or holds nothing but
    /// `inputs/`, which somebody has filled for this run. Only its owner can read it.
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

    /// Makes the directory for what is returned with the result.
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

    /// Where the job writes what is collected: `outputs/`.
    #[must_use]
    pub fn outputs(&self) -> &Path {
        &self.outputs
    }

    /// Where the job writes temporary files, which are not collected: `scratch/`.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where the job finds its inputs: `inputs/`.
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

    /// Where the command line keeps what the job prints: `logs/`, with `stdout.log` and `stderr.log`.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join(LOGS)
    }

    /// The journal: `run.json`, one JSON record per line, first the spec, last the outcome.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join(JOURNAL)
    }

    /// The manifest: `manifest.json`, a [`Manifest`](chutes_core::Manifest), there when the run has ended.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }
}

/// A handle of the directory of a run, taken before user code runs.
///
/// A job can rename its directory or put a link in its place; the handle stays where it was.
#[derive(Debug)]
pub(crate) struct RunRoot {
    root: Dir,
}

impl RunRoot {
    pub(super) fn open(directory: &RunDirectory) -> Result<Self, RunDirectoryError> {
        let path = directory.root();
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed_at(path))?;
        Ok(Self { root })
    }

    /// A directory of the run, unless there is something else in its place now.
    pub(crate) fn open_dir(&self, name: &str) -> io::Result<Dir> {
        self.root.open_dir_nofollow(name)
    }

    /// The directory of the files of a kind, unless there is something else in its place now.
    pub(crate) fn folder(&self, kind: FileKind) -> io::Result<Dir> {
        self.open_dir(kind.folder())
    }

    /// Starts the journal, and holds its lock. One that is there already belongs to another run.
    pub(super) fn create_journal(&self) -> io::Result<File> {
        let mut options = private();
        options.append(true).create_new(true);
        let file = self.root.open_with(JOURNAL, &options)?.into_std();
        // Whoever looks for a run here may have it for a moment, and finds nothing.
        file.lock()?;
        // The name of the file has to survive a power cut, too.
        self.sync_names()?;
        Ok(file)
    }

    /// Opens the journal of a run that has been started before, and takes its lock. The lock of a
    /// supervisor that is alive is not taken.
    pub(super) fn open_journal(&self) -> Result<File, OpenJournalError> {
        let mut options = private();
        options.read(true).append(true);
        let file = self.root.open_with(JOURNAL, &options)?.into_std();
        if !file.metadata()?.is_file() {
            // A pipe would be read for ever.
            return Err(io::Error::other("`run.json` is not a regular file").into());
        }
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenJournalError::InUse,
            TryLockError::Error(error) => OpenJournalError::Io(error),
        })?;
        Ok(file)
    }

    /// Writes down where the files go, for whoever has to go on with the run.
    pub(super) fn write_sinks(&self, content: &[u8]) -> io::Result<()> {
        self.replace(SINKS, content)
    }

    /// What [`write_sinks`](Self::write_sinks) wrote, if it is still there.
    pub(super) fn read_sinks(&self) -> io::Result<Option<Vec<u8>>> {
        self.read(SINKS)
    }

    /// Forgets where the files went.
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

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut options = private();
        options.read(true);
        let mut content = Vec::new();
        match self.root.open_with(name, &options) {
            Ok(mut file) => file.read_to_end(&mut content).map(|_| Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts everything that was written to the file system of the run on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(self.readable()?)?)
    }

    /// Puts the names of the files on disk.
    fn sync_names(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.readable()?)?)
    }

    /// The handle that we have only names the directory, which is not enough to sync it.
    fn readable(&self) -> io::Result<std::os::fd::OwnedFd> {
        use rustix::fs::{Mode, OFlags, openat};

        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.root, c".", flags, Mode::empty())?)
    }

    /// Keeps the part of a journal that cannot be read, beside it.
    pub(super) fn keep_damaged(&self, content: &mut impl Read) -> io::Result<()> {
        let mut options = private();
        options.append(true).create(true);
        let mut file = self.root.open_with("run.json.damaged", &options)?;
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

/// Why the journal of a run cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenJournalError {
    /// A supervisor has it.
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

/// Why a directory cannot be that of a new run.
///
/// ```
/// use chutes_supervisor::RunDirectory;
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
    /// There is something in it, apart from `inputs/`: perhaps another run.
    #[error("the run directory `{}` is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made or read.
    #[error("cannot create the run directory `{}`", path.display())]
    Create {
        /// The directory, or the part of it that failed.
        path: PathBuf,
        /// Why.
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
