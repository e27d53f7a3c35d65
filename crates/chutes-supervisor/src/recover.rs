//! Recovers a run whose supervisor has ended, and takes it to its one outcome.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use chutes_core::{
    AddressRange, Ending, Failure, FailureKind, Json, Manifest, Outcome, Phase, RunId, SinkReport,
    Target,
};
use chutes_process::kill_leftovers;
use chutes_transfer::AddressPolicy;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::RunDirectory;
use super::cancel::CancelHandle;
use super::complete::Completion;
use super::control::{ControlServer, Controls, Parts};
use super::deliver::{self, Sinks};
use super::directory::{OpenLogError, RunDirectoryError, RunRoot};
use super::extension::Extension;
use super::lifecycle::{Lifecycle, write_outcome};
use super::made_folders::MadeFolders;
use super::run_log::history::{History, Reading, Tail};
use super::run_log::{Fact, Follower, RunLog};
use super::supervise::Execution;
use super::worker::container::remove_container;

/// Why a run cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Its supervisor is alive, or another process recovers it.
    #[error("the run is in progress")]
    InUse,
    /// Its journal has not even its first record: nothing was started.
    #[error("the journal of the run is empty: nothing was started in it")]
    Empty,
    /// Its first record cannot be read, so it is unknown what was started.
    #[error("`run.jsonl` does not begin like the journal of a run: nothing is known of it")]
    Unknown,
    /// Its directory cannot be opened.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// Its journal cannot be read or written.
    #[error("cannot go on with the journal of the run")]
    Journal(#[source] io::Error),
    /// The record of its sinks cannot be read or used.
    #[error("cannot deliver the files of the run where they were going")]
    Sinks(#[source] Box<dyn Error + Send + Sync>),
}

/// The run that was found in a directory.
#[derive(Debug)]
pub enum Found {
    /// A run that has its outcome and nothing left to deliver.
    Settled(Box<Outcome>),
    /// A run that still has work to do.
    Unfinished(Box<Unfinished>),
}

/// A run whose supervisor has ended and whose journal this process has locked.
pub struct Unfinished {
    directory: RunDirectory,
    root: Arc<RunRoot>,
    history: History,
    log: RunLog,
    damaged: bool,
    sinks: Sinks,
    manifest: Option<Manifest>,
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished").finish_non_exhaustive()
    }
}

/// Inspects the directory of a run. `allowed` are the addresses that its spec may name although machines keep
/// them to themselves.
pub fn find(path: &Path, allowed: &[AddressRange]) -> Result<Found, RecoverError> {
    let directory = RunDirectory::at(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let root = Arc::new(RunRoot::open(&directory)?);
    let file = root.open_log().map_err(|error| match error {
        OpenLogError::InUse => RecoverError::InUse,
        OpenLogError::Io(error) => RecoverError::Journal(error),
    })?;
    let mut reading = Reading::of(&file).map_err(RecoverError::Journal)?;
    let damaged = reading.tail == Tail::Damaged;
    let Some(history) = reading.history.take() else {
        return Err(if damaged { RecoverError::Unknown } else { RecoverError::Empty });
    };
    let wanted = deliver::recall(&root).map_err(|error| RecoverError::Sinks(error.into()))?;
    if let Some(outcome) = &history.outcome {
        let outcome = as_delivered(outcome.clone(), history.redelivered.clone(), &root);
        if wanted.is_none() || outcome.sinks.iter().all(SinkReport::is_complete) {
            root.remove_sinks().map_err(RecoverError::Journal)?;
            keep_outcome(&root, &outcome).map_err(RecoverError::Journal)?;
            return Ok(Found::Settled(Box::new(outcome)));
        }
    }
    let addresses = AddressPolicy::new(allowed.to_vec());
    let sinks = Sinks::open(&wanted.unwrap_or_default(), directory.root(), &addresses);
    let sinks = sinks.map_err(|error| RecoverError::Sinks(error.into()))?;
    let manifest = if history.collected { read_manifest(&root, history.run_id) } else { None };
    if damaged {
        keep_damaged(&root, &file, reading.valid).map_err(RecoverError::Journal)?;
    }
    let report = history.report.clone();
    let log = reading.resume(file, &root, report).map_err(RecoverError::Journal)?;
    let run = Unfinished { directory, root, history, log, damaged, sinks, manifest };
    Ok(Found::Unfinished(Box::new(run)))
}

/// Writes the outcome as a file, if its supervisor has not come to that.
fn keep_outcome(root: &RunRoot, outcome: &Outcome) -> io::Result<()> {
    // A directory of version 0.1.0 stays as it is.
    if root.has_outcome() || root.is_old() { Ok(()) } else { write_outcome(root, outcome) }
}

/// The outcome, with the deliveries that were made after it.
pub(crate) fn as_delivered(
    outcome: Outcome,
    redelivered: Option<Vec<SinkReport>>,
    root: &RunRoot,
) -> Outcome {
    let Some(sinks) = redelivered else { return outcome };
    match read_manifest(root, outcome.run_id) {
        Some(Manifest { files: outputs, logs, artifacts, .. }) => {
            Outcome { outputs, logs, artifacts, sinks, ..outcome }
        }
        None => outcome,
    }
}

fn keep_damaged(root: &RunRoot, mut file: &std::fs::File, valid: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(valid))?;
    root.keep_damaged(&mut file)
}

/// The manifest of this run, if there is one. It is always whole, since it is replaced in one step.
fn read_manifest(root: &RunRoot, run_id: RunId) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&root.read_manifest().ok()??).ok()?;
    (manifest.run_id == run_id).then_some(manifest)
}

/// The manifest without the states of deliveries, which the new delivery sets.
fn before_delivery(mut manifest: Manifest) -> Manifest {
    for file in manifest.all_mut() {
        file.deliveries.clear();
    }
    manifest
}

impl Unfinished {
    /// Whether the run has its outcome already, and only files are still to be delivered.
    #[must_use]
    pub fn has_outcome(&self) -> bool {
        self.history.outcome.is_some()
    }

    /// Follows what happens from now on.
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.log.follow(self.log.last() + 1)
    }

    /// Takes the run to its outcome: ends all processes that are left of it, collects its files, and delivers those
    /// that have not arrived. A run that has its outcome keeps it.
    #[must_use = "nothing happens before it is awaited"]
    pub fn finish(self) -> BoxFuture<'static, Outcome> {
        Box::pin(self.take_to_outcome())
    }

    async fn take_to_outcome(self) -> Outcome {
        let (log, cancel) = (self.log.clone(), CancelHandle::new());
        let extension = Extension { limit: watch::Sender::new(None), declared: None };
        let parts = watch::Sender::<Parts>::default().subscribe();
        let controls = Controls { log, cancel: cancel.clone(), extension, parts, output: None };
        let control = ControlServer::of(self.directory.root(), controls);
        let outcome = self.complete(cancel).await;
        if let Some(control) = control {
            control.finish().await;
        }
        outcome
    }

    async fn complete(self, cancel: CancelHandle) -> Outcome {
        let run_dir = self.directory.root().display().to_string();
        let (run_id, target) = (self.history.run_id, self.history.spec.target());
        let mut lifecycle = Lifecycle::resume(self.log, &self.history);
        let left = kill_leftovers(run_id).await;
        left.left_behind().into_iter().chain(left.problem).for_each(|text| lifecycle.warn(text));
        if let (Target::Image(_), None) = (&target, &self.history.outcome) {
            for warning in remove_container(run_id).await {
                lifecycle.warn(warning);
            }
        }
        let settled = self.history.outcome.clone();
        let execution = if let Some(outcome) = &settled {
            Execution { ending: outcome.ending.clone(), result: outcome.result.clone() }
        } else {
            if self.manifest.is_none() {
                warn_of_hooks(&self.history, &mut lifecycle);
            }
            execution(self.history.execution, self.damaged, &mut lifecycle)
        };
        let completion = Completion {
            run_id,
            target,
            has_artifacts: self.history.spec.artifacts_dir.is_some(),
            limits: self.history.spec.limits,
            run_dir,
            root: self.root,
            cancel,
            sinks: self.sinks,
            made_folders: MadeFolders::default(),
            uploads: self.history.uploads,
            manifest: self.manifest.map(before_delivery),
            delivered: self.history.delivered,
            settled,
        };
        completion.complete(execution, lifecycle).await
    }
}

/// Warns when it is unknown whether the shutdown hooks ran: they run between the end of the job and the manifest.
fn warn_of_hooks(history: &History, lifecycle: &mut Lifecycle) {
    const WHAT: &str =
        "the supervisor of the run was ended while the shutdown hooks ran, or before";
    let failure = history.execution.as_ref().map(|(ending, _)| ending.failure());
    let has_ended = failure
        .is_some_and(|failure| failure.is_none_or(|it| it.kind != FailureKind::SupervisorLost));
    let is_known = history.report.warnings.iter().any(|warning| warning == WHAT);
    if has_ended && !is_known && !history.hooks.shutdown.is_empty() {
        lifecycle.warn(WHAT.to_owned());
    }
}

/// How user code ended, as far as it is known.
fn execution(
    known: Option<(Ending, Option<Json>)>,
    damaged: bool,
    lifecycle: &mut Lifecycle,
) -> Execution {
    let execution = match known {
        Some((ending, result)) if !damaged => Execution { ending, result },
        known if damaged => after_damage(known),
        _ => {
            let message =
                "the supervisor of the run was ended before it wrote down how the job ended";
            let failure = Failure::new(FailureKind::SupervisorLost, message);
            Execution::without_result(failure.in_phase(Phase::Execute))
        }
    };
    let Execution { ending, result } = &execution;
    let (ending, result) = (ending.clone(), result.clone());
    lifecycle.record(Fact::Execution { ending, result });
    lifecycle.end_of_user_code();
    execution
}

/// How user code ended in a run whose journal is damaged. The lost part may have held any outcome, so the run
/// counts as failed; the result of the job is kept.
fn after_damage(known: Option<(Ending, Option<Json>)>) -> Execution {
    let message =
        "the journal of the run is damaged; what cannot be read is in `run.jsonl.damaged`";
    let mut failure = Failure::new(FailureKind::Platform, message).in_phase(Phase::Execute);
    let (ending, result) = known.unzip();
    failure.causes.extend(ending.map(|ending| match ending.failure() {
        Some(earlier) => format!("before that, {}", earlier.message),
        None => "before that, the job had returned its result".to_owned(),
    }));
    Execution { result: result.flatten(), ..Execution::without_result(failure) }
}
