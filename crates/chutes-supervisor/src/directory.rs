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

mod root;

use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use chutes_core::FileKind;

pub(crate) use self::root::{OpenLogError, RunRoot, open_regular};

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

/// The file name of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";

/// The file name of the outcome.
pub(super) const OUTCOME: &str = "outcome.json";

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
