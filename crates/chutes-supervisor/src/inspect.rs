//! Reads the directory of a run, whether its supervisor lives or not: how the run stands, and what its job printed.
//!
//! Nothing is changed and nothing is locked, so a supervisor or a recovery is never disturbed. Links are not followed
//! out of a directory, and what is no regular file is not read.
//!
//! ```no_run
//! use chutes::supervisor::inspect::{resolve, view};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = resolve("040506ff".as_ref(), "runs".as_ref())?;
//! let run = view(&directory)?;
//! match &run.outcome {
//!     Some(outcome) => println!("{} is {}", run.run_id, outcome.status()),
//!     None if run.is_supervised => println!("{} is in progress", run.run_id),
//!     None => println!("{} was interrupted", run.run_id),
//! }
//! # Ok(()) }
//! ```

mod head;
mod job_log;
mod listing;
mod locks;
mod resolve;
#[cfg(test)]
mod tests;
mod view;
mod watch;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

pub use self::job_log::JobLog;
pub use self::listing::{ListedRun, ListedState, Listing, Which, list};
pub use self::resolve::{Candidate, ResolveError, resolve};
pub use self::view::{RunPhase, RunView, view};
pub use self::watch::RunWatch;
use crate::RunDirectory;
use crate::control::is_served;
use crate::directory::RunRoot;
use locks::{Locks, LogId};

/// Why a directory cannot be read as that of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// It cannot be opened.
    #[error("cannot open `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has no log, so it is not the directory of a run.
    #[error("there is no run in `{}`", path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// Its log has not even its first record: nothing was started.
    #[error("`{}` is empty: nothing was started", path.display())]
    Empty {
        /// The log.
        path: PathBuf,
    },
    /// Its log does not begin like that of a run.
    #[error("`{}` does not begin like the log of a run", path.display())]
    Foreign {
        /// The log.
        path: PathBuf,
    },
    /// A file of it cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A log of which a part cannot be read. What comes before that part is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// The log.
    pub path: PathBuf,
    /// The first line that cannot be read, from 1.
    pub line: u64,
}

impl fmt::Display for LogDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, line) = (self.path.display(), self.line);
        write!(f, "`{path}` is damaged from line {line} on: what happened after that is not known")
    }
}

impl std::error::Error for LogDamage {}

/// Whether nothing more happens in a run: it has its outcome, or its supervisor is gone.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// // There is nothing to wait for where there is no run.
/// assert!(chutes::supervisor::inspect::is_over(folder.path()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn is_over(directory: &Path) -> bool {
    let Ok(root) = open(directory) else { return true };
    if root.has_outcome() {
        return true;
    }
    let Ok(log) = root.read_log() else { return true };
    !LogId::of(&log).is_ok_and(|log| is_supervised(&root, &log, &Locks::read()))
}

/// Whether a supervisor lives. In a container the locks of processes outside of it are not seen, but their sockets answer.
fn is_supervised(root: &RunRoot, log: &LogId, locks: &Locks) -> bool {
    locks.holds(log) || is_served(root.path())
}

/// A point in time in UTC, as RFC 3339.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let time = UNIX_EPOCH + Duration::from_millis(1_500);
/// assert_eq!(chutes::supervisor::inspect::utc(time), "1970-01-01T00:00:01.5Z");
/// ```
#[must_use]
pub fn utc(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// The time of a record. One that cannot be read is the beginning of time.
fn time(text: &str) -> SystemTime {
    text.parse::<Timestamp>().map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
}

/// Opens the directory of a run.
fn open(path: &Path) -> Result<RunRoot, InspectError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let metadata = std::fs::metadata(&path);
    let is_directory = metadata.and_then(|there| {
        if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    });
    let failed = |source| InspectError::Directory { path: path.clone(), source };
    is_directory.map_err(failed)?;
    RunRoot::open(&RunDirectory::at(path.clone()))
        .map_err(|error| InspectError::Directory { path, source: io::Error::other(error) })
}
