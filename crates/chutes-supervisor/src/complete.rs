//! From the end of user code to the outcome: files are collected and delivered, and the outcome is recorded.
//!
//! A run that ends in its own supervisor and one that is recovered take the same way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chutes_core::{
    Ending, FileKind, FileState, Limits, Manifest, Outcome, OutputFile, Phase, RunId, SinkReport,
    Target, Usage,
};
use chutes_outputs::{Collection, RunSummary};
use tokio::time::timeout;

use super::cancel::{CancelHandle, Urgency};
use super::deliver::{DeliveryOptions, Fingerprints, Sinks};
use super::directory::{MANIFEST, RunRoot};
use super::ending;
use super::lifecycle::Lifecycle;
use super::made_folders::MadeFolders;
use super::run_log::{Arrivals, Fact};
use super::supervise::Execution;

/// How long collecting may take to notice that it should stop. A read from a disk that does not answer cannot be
/// interrupted.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A run whose user code has ended.
pub(super) struct Completion {
    pub(super) run_id: RunId,
    pub(super) target: Target,
    /// Whether small files are returned with the result.
    pub(super) has_artifacts: bool,
    pub(super) limits: Limits,
    pub(super) run_dir: String,
    pub(super) root: Arc<RunRoot>,
    pub(super) cancel: CancelHandle,
    pub(super) sinks: Sinks,
    /// What was made for the sinks.
    pub(super) made_folders: MadeFolders,
    /// Whether files may leave the directory of the run.
    pub(super) uploads: bool,
    /// The files, if an earlier supervisor has collected them.
    pub(super) manifest: Option<Manifest>,
    /// The files that earlier deliveries have brought to the sinks.
    pub(super) delivered: Arrivals,
    /// The outcome, if the run has one: it is never replaced.
    pub(super) settled: Option<Outcome>,
}

impl Completion {
    /// Takes the run to its outcome.
    pub(super) async fn complete(
        mut self,
        execution: Execution,
        mut lifecycle: Lifecycle,
    ) -> Outcome {
        if let Ending::Rejected(_) = execution.ending {
            self.reject();
        }
        if !lifecycle.is_in_phase(Phase::Upload) && !self.is_trivial(&lifecycle) {
            lifecycle.begin_phase(Phase::Upload, Some(self.limits.upload));
        }
        let (manifest, fingerprints) = match self.manifest.take() {
            Some(manifest) => (manifest, Fingerprints::new()),
            None => self.collect(&mut lifecycle).await,
        };
        let ending = self.of_user_code(execution.ending);
        // A sink must not see a run as completed whose files are lost already.
        let visible = ending::with_files(ending.clone(), &manifest, &[]);
        let mut summary =
            RunSummary { run_id: self.run_id, ending: visible, result: execution.result, manifest };
        let mut written = self.write(&summary.manifest);
        if written.is_ok() {
            lifecycle.record(Fact::Collected);
        }
        let sinks = self.deliver(&mut summary, fingerprints, &mut lifecycle).await;
        if !sinks.is_empty() {
            written = written.and(self.write(&summary.manifest));
        }
        summary.ending = ending;
        let outcome = self.settle(summary, sinks, written, lifecycle);
        if outcome.sinks.iter().all(SinkReport::is_complete) {
            // A file that cannot be removed is readable by its owner only.
            let _ = self.root.remove_sinks();
        }
        outcome
    }

    /// Leaves the sinks as they were before the run. Only a status URL gets the outcome.
    fn reject(&mut self) {
        self.sinks = self.sinks.of_rejected();
        self.uploads = false;
        self.made_folders.remove();
    }

    /// Whether there is nothing to do: user code was not started, and there are no sinks.
    fn is_trivial(&self, lifecycle: &Lifecycle) -> bool {
        self.sinks.is_empty() && !lifecycle.was_accepted()
    }

    /// How user code ended. A settled run failed for its files alone only if user code had completed. The files may
    /// all arrive now, so sinks see such a run as completed.
    fn of_user_code(&self, ending: Ending) -> Ending {
        let is_for_files = ending.failure().is_some_and(|it| it.kind.is_for_files());
        if self.settled.is_some() && is_for_files { Ending::Completed } else { ending }
    }

    fn settle(
        &self,
        summary: RunSummary,
        sinks: Vec<SinkReport>,
        written: io::Result<()>,
        lifecycle: Lifecycle,
    ) -> Outcome {
        lifecycle.keep_log();
        let RunSummary { manifest, ending, result, .. } = summary;
        if let Some(settled) = self.settled.clone() {
            let Manifest { files: outputs, logs, artifacts, .. } = manifest;
            let outcome = Outcome { outputs, logs, artifacts, sinks, ..settled };
            return lifecycle.leave(&self.root, written, outcome);
        }
        let ending = ending::with_files(ending, &manifest, &sinks);
        lifecycle.finish(&self.root, written, |report| Outcome {
            run_id: self.run_id,
            target: self.target.clone(),
            ending,
            result,
            phases: report.phases,
            outputs: manifest.files,
            logs: manifest.logs,
            artifacts: manifest.artifacts,
            sinks,
            warnings: report.warnings,
            endpoints: report.endpoints,
            usage: report.usage.map(Usage::totals),
            run_dir: self.run_dir.clone(),
        })
    }

    fn write(&self, manifest: &Manifest) -> io::Result<()> {
        self.root.replace(MANIFEST, &serde_json::to_vec_pretty(manifest)?)
    }

    /// Collects files until all are collected, the limit is reached, or the run is cancelled for good.
    async fn collect(&self, lifecycle: &mut Lifecycle) -> (Manifest, Fingerprints) {
        let stop = Arc::new(AtomicBool::new(false));
        let (root, stopped) = (Arc::clone(&self.root), Arc::clone(&stop));
        let has_artifacts = self.has_artifacts;
        let collect = move || collect(&root, has_artifacts, &stopped);
        let mut collecting = tokio::task::spawn_blocking(collect);
        let ended = tokio::select! {
            biased;
            collected = &mut collecting => Some(collected),
            () = self.cancel.reached(Urgency::GiveUp) => None,
            () = lifecycle.limit_reached() => None,
        };
        stop.store(true, Ordering::Relaxed);
        let collected = match ended {
            Some(collected) => collected.map_err(|error| error.to_string()),
            None => match timeout(STOP_TIME, collecting).await {
                Ok(collected) => collected.map_err(|error| error.to_string()),
                Err(_) => Err("the disk does not answer".to_owned()),
            },
        };
        let lost = |reason: String| Collected {
            outputs: Collection::lost(&reason),
            ..Collected::default()
        };
        let Collected { outputs, logs, artifacts } = collected.unwrap_or_else(lost);
        let (files, logs, artifacts) = (outputs.files, logs.files, artifacts.files);
        (Manifest { run_id: self.run_id, files, logs, artifacts }, outputs.fingerprints)
    }

    async fn deliver(
        &self,
        summary: &mut RunSummary,
        fingerprints: Fingerprints,
        lifecycle: &mut Lifecycle,
    ) -> Vec<SinkReport> {
        if self.sinks.is_empty() {
            return Vec::new();
        }
        let (delivered, cancel) = (&self.delivered, &self.cancel);
        let options = DeliveryOptions { delivered, fingerprints, cancel, uploads: self.uploads };
        self.sinks.deliver(summary, &self.root, options, lifecycle).await
    }
}

/// The collected files of each kind.
#[derive(Default)]
struct Collected {
    outputs: Collection,
    logs: Collection,
    artifacts: Collection,
}

/// Collects all files of a run. The collected files are synced to disk when this returns.
fn collect(root: &RunRoot, has_artifacts: bool, stop: &AtomicBool) -> Collected {
    // Logs come first: they are bounded, and needed most when there is no time for all outputs.
    let logs = chutes_outputs::collect(root.folder(FileKind::Log), stop);
    let mut artifacts = Collection::default();
    if has_artifacts {
        artifacts = chutes_outputs::collect(root.folder(FileKind::Artifact), stop);
    }
    let mut outputs = chutes_outputs::collect(root.folder(FileKind::Output), stop);
    let is_collected = |file: &OutputFile| matches!(file.state, FileState::Collected { .. });
    if outputs.files.iter().chain(&artifacts.files).any(is_collected)
        && let Err(error) = root.sync()
    {
        outputs.files.extend(Collection::lost(&format!("cannot be put on disk: {error}")).files);
    }
    Collected { outputs, logs, artifacts }
}
