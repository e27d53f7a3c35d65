//! From what a user calls a run to its directory.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use chutes_core::{Escaped, RunId};

use super::listing::{ListedRun, Which, list};
use super::open;

/// The fewest characters of the beginning of an id.
const LEAST: usize = 4;

/// How many runs an error names.
const NAMED: usize = 5;

/// A run that may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The run.
    pub run_id: RunId,
    /// Its directory.
    pub directory: PathBuf,
}

/// The directory, and the id.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.directory.display().to_string();
        write!(f, "{} ({})", Escaped(&name), self.run_id)
    }
}

/// Why it is not known which run is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No run is called that.
    #[error("there is no run `{run}` in `{}`", folder.display())]
    Unknown {
        /// What was asked for.
        run: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// The newest runs there, at most five.
        candidates: Vec<Candidate>,
    },
    /// Several runs are called that.
    #[error("`{run}` is the beginning of {count} ids")]
    Ambiguous {
        /// What was asked for.
        run: String,
        /// How many runs.
        count: usize,
        /// The newest of these runs, at most five.
        candidates: Vec<Candidate>,
    },
}

impl ResolveError {
    /// Runs that may be meant, at most five.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        match self {
            Self::Unknown { candidates, .. } | Self::Ambiguous { candidates, .. } => candidates,
        }
    }
}

/// Finds the directory of a run by the path of its directory, or in a folder by the name of its directory, by its id or the
/// beginning of it, or by the last eight digits of its id, with which its directory is named by default. Beginnings have
/// at least 4 characters.
///
/// ```
/// use chutes::supervisor::inspect::{ResolveError, resolve};
///
/// let folder = tempfile::tempdir()?;
/// let error = resolve("0198c0de".as_ref(), folder.path()).unwrap_err();
/// assert!(matches!(error, ResolveError::Unknown { .. }) && error.candidates().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn resolve(run: &OsStr, folder: &Path) -> Result<PathBuf, ResolveError> {
    let is_name = Path::new(run).file_name() == Some(run);
    let mut paths = vec![PathBuf::from(run)];
    paths.extend(is_name.then(|| folder.join(run)));
    if let Some(path) = paths.into_iter().find(|path| is_run(path)) {
        return Ok(path);
    }
    // A folder that is not there has no runs.
    let runs = list(folder, Which::All).unwrap_or_default().runs;
    let text = run.to_string_lossy();
    let wanted = text.to_ascii_lowercase();
    let is_wanted = |found: &&ListedRun| {
        let (id, short) = (found.run_id.to_string(), found.run_id.short());
        wanted.len() >= LEAST && (id.starts_with(&wanted) || short.starts_with(&wanted))
    };
    let found: Vec<_> = runs.iter().filter(is_wanted).collect();
    let run = Escaped(&text).to_string();
    match found.as_slice() {
        [one] => Ok(one.directory.clone()),
        [] => {
            let (folder, candidates) = (folder.to_owned(), named(&mut runs.iter()));
            Err(ResolveError::Unknown { run, folder, candidates })
        }
        several => {
            let candidates = named(&mut several.iter().copied());
            Err(ResolveError::Ambiguous { run, count: several.len(), candidates })
        }
    }
}

fn named(runs: &mut dyn Iterator<Item = &ListedRun>) -> Vec<Candidate> {
    let candidate =
        |run: &ListedRun| Candidate { run_id: run.run_id, directory: run.directory.clone() };
    runs.take(NAMED).map(candidate).collect()
}

/// Whether the directory has a log, whatever that is.
fn is_run(path: &Path) -> bool {
    open(path).is_ok_and(|root| root.log_path().symlink_metadata().is_ok())
}
