//! The runs of a folder. Of a run that has ended little is read, so that thousands of them are listed at once.

use std::cmp::Reverse;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chutes_core::{EndStatus, RunId, Target};

use super::head::{OutcomeHead, first_time};
use super::locks::{Locks, LogId};
use super::view::{RunView, look};
use super::{InspectError, open, time};
use crate::directory::{OUTCOME, RunRoot};

/// The runs that a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those without an outcome: in progress, or interrupted.
    Open,
}

/// The runs of a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// The runs, the newest first.
    pub runs: Vec<ListedRun>,
    /// The directories that look like those of runs and cannot be read.
    pub unreadable: Vec<InspectError>,
}

/// One run of a list.
#[derive(Debug)]
pub struct ListedRun {
    /// The run.
    pub run_id: RunId,
    /// What it runs.
    pub target: Target,
    /// Its directory.
    pub directory: PathBuf,
    /// When it began.
    pub began: SystemTime,
    /// How it stands.
    pub state: ListedState,
}

/// How a run of a list stands.
#[derive(Debug)]
pub enum ListedState {
    /// It has its outcome.
    Ended {
        /// How it ended.
        status: EndStatus,
        /// The time of all of its phases.
        elapsed: Duration,
    },
    /// It is in progress, or was interrupted.
    Open(Box<RunView>),
}

/// Lists the runs whose directories are in a folder, without those that links lead to.
///
/// ```
/// use chutes::supervisor::inspect::{Which, list};
///
/// let folder = tempfile::tempdir()?;
/// std::fs::create_dir(folder.path().join("notes"))?;
/// let listing = list(folder.path(), Which::All)?;
/// assert!(listing.runs.is_empty() && listing.unreadable.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn list(folder: &Path, which: Which) -> io::Result<Listing> {
    let mut directories = Vec::new();
    for entry in std::fs::read_dir(std::path::absolute(folder)?)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    // A supervisor that ends after this has written the outcome before the directory of its run is read.
    let locks = Locks::read();
    let mut listing = Listing::default();
    let mut lost = Vec::new();
    for found in read_all(&directories, which, &locks) {
        match found {
            Ok((run, log)) => {
                if matches!(&run.state, ListedState::Open(run) if run.is_lost()) {
                    lost.extend(log.map(|log| (listing.runs.len(), log)));
                }
                listing.runs.push(run);
            }
            Err(error) => listing.unreadable.push(error),
        }
    }
    find_begun(&mut listing, &lost);
    listing.runs.sort_by_key(|run| Reverse((run.began, run.run_id)));
    Ok(listing)
}

/// Looks again for the supervisors that were not found: those that have begun in the meantime.
fn find_begun(listing: &mut Listing, lost: &[(usize, LogId)]) {
    if lost.is_empty() {
        return;
    }
    let locks = Locks::read();
    for (at, log) in lost {
        if let Some(ListedRun { state: ListedState::Open(run), .. }) = listing.runs.get_mut(*at) {
            run.is_supervised = locks.holds(log);
        }
    }
}

/// What was found in a directory: a run, with what its lock is known by if that may be of interest.
type Read = Result<(ListedRun, Option<LogId>), InspectError>;

/// Reads all directories, on all processors.
fn read_all(directories: &[PathBuf], which: Which, locks: &Locks) -> Vec<Read> {
    /// So many are read before a second thread is worth its start.
    const PER_THREAD: usize = 64;

    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let size = directories.len().div_ceil(threads).max(PER_THREAD);
    let mut chunks = directories.chunks(size);
    let first = chunks.next().unwrap_or_default();
    let read_some = |some: &[PathBuf]| -> Vec<Read> {
        some.iter().filter_map(|path| read(path, which, locks).transpose()).collect()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = chunks.map(|some| scope.spawn(move || read_some(some))).collect();
        let mut all = read_some(first);
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    })
}

/// Reads a directory. `None` when there is no run in it, or none that is wanted.
fn read(
    path: &Path,
    which: Which,
    locks: &Locks,
) -> Result<Option<(ListedRun, Option<LogId>)>, InspectError> {
    if which == Which::Open && path.join(OUTCOME).symlink_metadata().is_ok() {
        return Ok(None);
    }
    let root = open(path)?;
    if let Some(run) = ended(&root, path) {
        return Ok((which == Which::All).then_some((run, None)));
    }
    let (run, log) = match look(&root, locks) {
        Ok(read) => read,
        Err(InspectError::NoRun { .. }) => return Ok(None),
        Err(InspectError::Empty { .. }) if is_locked(&root) => return Ok(None),
        Err(error) => return Err(error),
    };
    let elapsed = run.report.phases.iter().map(|report| report.elapsed).sum();
    let (run_id, target) = (run.run_id, run.target.clone());
    let (directory, began) = (run.directory.clone(), run.began);
    let state = match &run.outcome {
        Some(_) if which == Which::Open => return Ok(None),
        Some(outcome) => ListedState::Ended { status: outcome.status(), elapsed },
        None => ListedState::Open(Box::new(run)),
    };
    Ok(Some((ListedRun { run_id, target, directory, began, state }, Some(log))))
}

/// Whether a run is about to begin: its log is locked before it has its first record.
fn is_locked(root: &RunRoot) -> bool {
    let log = root.read_log().and_then(|log| LogId::of(&log));
    log.is_ok_and(|log| Locks::read().holds(&log))
}

/// A run that has its outcome as a file.
fn ended(root: &RunRoot, path: &Path) -> Option<ListedRun> {
    let outcome = root.read_file(OUTCOME).ok()?;
    let written = || outcome.metadata().and_then(|outcome| outcome.modified()).ok();
    let OutcomeHead { run_id, target, status, elapsed } = OutcomeHead::read(&outcome)?;
    let first = root.read_log().ok().and_then(first_time);
    let began = first.map(|at| time(&at)).or_else(|| written()?.checked_sub(elapsed));
    Some(ListedRun {
        run_id,
        target,
        directory: path.to_owned(),
        began: began.unwrap_or(SystemTime::UNIX_EPOCH),
        state: ListedState::Ended { status, elapsed },
    })
}
