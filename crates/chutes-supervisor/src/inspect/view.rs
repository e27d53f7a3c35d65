//! How one run stands, by its log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chutes_core::{
    Attempt, LabelName, Outcome, Phase, RunEvent, RunId, SinkReport, Status, Target,
};

use super::locks::{Locks, LogId};
use super::{InspectError, LogDamage, is_supervised, open, time};
use crate::directory::RunRoot;
use crate::recover::as_delivered;
use crate::run_log::history::Tail;
use crate::run_log::{Begin, Fact, RunReport, scan};

/// How a run stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunView {
    /// The run.
    pub run_id: RunId,
    /// What it runs.
    pub target: Target,
    /// Its directory, an absolute path.
    pub directory: PathBuf,
    /// The how manieth attempt at the run it is.
    pub attempt: Attempt,
    /// What its starter has called it.
    pub labels: BTreeMap<LabelName, String>,
    /// The last status; the end status when the run has its outcome.
    pub status: Status,
    /// The time of the first record.
    pub began: SystemTime,
    /// The time of the outcome, if there is one.
    pub ended: Option<SystemTime>,
    /// The phase that goes on, or in which the supervisor was lost. Version 0.1.0 did not write it down.
    pub phase: Option<RunPhase>,
    /// What was reported so far.
    pub report: RunReport,
    /// The outcome, if there is one, with the deliveries that were made after it.
    pub outcome: Option<Outcome>,
    /// Whether a supervisor lives: it holds a lock on the log, or serves its control socket.
    pub is_supervised: bool,
    /// What cannot be read of the log.
    pub damage: Option<LogDamage>,
}

/// A phase that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPhase {
    /// Which.
    pub phase: Phase,
    /// How long it may take; `None` is without limit.
    pub limit: Option<Duration>,
    /// Since when.
    pub since: SystemTime,
}

/// Reads how the run in a directory stands.
///
/// ```
/// use chutes::supervisor::inspect::{InspectError, view};
///
/// let folder = tempfile::tempdir()?;
/// assert!(matches!(view(folder.path()), Err(InspectError::NoRun { .. })));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn view(directory: &Path) -> Result<RunView, InspectError> {
    // A supervisor that ends after this has written the outcome before the log is read.
    let locks = Locks::read();
    let (mut run, log) = look(&open(directory)?, &locks)?;
    if run.is_lost() {
        // Perhaps the run has only begun since then.
        run.is_supervised = Locks::read().holds(&log);
    }
    Ok(run)
}

/// Reads how a run stands. Returns what its lock is known by as well.
pub(super) fn look(root: &RunRoot, locks: &Locks) -> Result<(RunView, LogId), InspectError> {
    let path = root.log_path();
    let unreadable = |source| InspectError::Unreadable { path: path.clone(), source };
    let file = root.read_log().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => InspectError::NoRun { path: root.path().to_owned() },
        _ => unreadable(error),
    })?;
    let log = LogId::of(&file).map_err(unreadable)?;
    let (told, damage) = read(&file, &path)?;
    let Told { begin, began, ended, status, phase, report, outcome, redelivered } = told;
    let outcome = outcome.map(|outcome| as_delivered(*outcome, redelivered, root));
    let run = RunView {
        run_id: begin.id,
        target: begin.spec.target(),
        directory: root.path().to_owned(),
        attempt: begin.attempt,
        labels: begin.labels,
        status: outcome.as_ref().map_or(status, |outcome| outcome.status().into()),
        began,
        ended,
        phase: phase.filter(|_| outcome.is_none()),
        report,
        is_supervised: is_supervised(root, &log, locks),
        outcome,
        damage,
    };
    Ok((run, log))
}

/// What a log tells.
struct Told {
    begin: Box<Begin>,
    began: SystemTime,
    ended: Option<SystemTime>,
    status: Status,
    phase: Option<RunPhase>,
    report: RunReport,
    outcome: Option<Box<Outcome>>,
    redelivered: Option<Vec<SinkReport>>,
}

fn read(file: &File, path: &Path) -> Result<(Told, Option<LogDamage>), InspectError> {
    let mut told = None;
    let scanned = scan(file, |at, fact| match (&mut told, fact) {
        (None, Some(Fact::Run(begin))) => told = Some(Told::new(begin, at)),
        (Some(told), Some(fact)) => told.add(at, fact),
        _ => {}
    });
    let path = path.to_owned();
    let scanned = match scanned {
        Ok(scanned) => scanned,
        Err(source) => return Err(InspectError::Unreadable { path, source }),
    };
    match told {
        Some(told) => {
            let is_damaged = scanned.tail == Tail::Damaged;
            let damage = is_damaged.then(|| LogDamage { path, line: scanned.records + 1 });
            Ok((told, damage))
        }
        None if scanned.records == 0 && scanned.tail != Tail::Damaged => {
            Err(InspectError::Empty { path })
        }
        None => Err(InspectError::Foreign { path }),
    }
}

impl Told {
    fn new(begin: Box<Begin>, at: &str) -> Self {
        Self {
            begin,
            began: time(at),
            ended: None,
            status: Status::Sent,
            phase: None,
            report: RunReport::default(),
            outcome: None,
            redelivered: None,
        }
    }

    fn add(&mut self, at: &str, fact: Fact) {
        self.report.add(&fact);
        match fact {
            Fact::Status(status) => self.status = status,
            Fact::Event(RunEvent::Phase { phase, limit }) => {
                self.phase = Some(RunPhase { phase, limit, since: time(at) });
            }
            Fact::Phase(_) => self.phase = None,
            // The first outcome wins.
            Fact::Outcome(outcome) if self.outcome.is_none() => {
                self.ended = Some(time(at));
                self.outcome = Some(outcome);
            }
            Fact::Redelivered(sinks) => self.redelivered = Some(sinks),
            _ => {}
        }
    }
}

impl RunView {
    /// Whether the run has lost its supervisor before it had its outcome.
    ///
    /// A run that is neither lost nor has an outcome is in progress.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.outcome.is_none() && !self.is_supervised
    }
}
