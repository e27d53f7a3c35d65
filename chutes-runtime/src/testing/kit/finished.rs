//! A finished run of a test, with its outcome, files and events.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chutes_core::{
    EndStatus, Event, ExitCode, Failure, FileState, Outcome, OutputFile, Phase, Progress, RunEvent,
    Status,
};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::execution::chain;

/// A run of a test that has its outcome. Its directory is removed when this value is dropped.
///
/// ```
/// use chutes::outcome::FailureKind;
/// use chutes::testing::TestRun;
/// use chutes::{EndStatus, JobContext, JobError};
///
/// #[chutes::job]
/// async fn kit_gives_up(ctx: JobContext) -> Result<(), JobError> {
///     std::fs::write(ctx.output_dir().join("so-far.txt"), "half of it")?;
///     ctx.progress(0.5, "half done");
///     Err("the disk is full".into())
/// }
///
/// let finished = TestRun::of("kit_gives_up").run();
/// assert_eq!(finished.status(), EndStatus::Failed);
/// assert_eq!(finished.failure().kind, FailureKind::JobError);
/// assert_eq!(finished.failure().message, "the disk is full");
/// assert_eq!(finished.output_text("so-far.txt").as_deref(), Some("half of it"));
/// assert_eq!(finished.progress().last().map(|progress| progress.fraction), Some(0.5));
/// assert_eq!(finished.exit_code().get(), 1);
/// ```
#[derive(Debug)]
pub struct FinishedRun {
    outcome: Outcome,
    events: Vec<Event>,
    took: Duration,
    folder: Folder,
}

/// The directory of the run, with the guard that removes it.
#[derive(Debug)]
pub(super) struct Folder {
    run: PathBuf,
    /// `None` when the directory is kept.
    _temporary: Option<TempDir>,
}

impl Folder {
    #[expect(clippy::print_stderr, reason = "this is what a test that fails shows")]
    pub(super) fn new(folder: TempDir, run: PathBuf, keep: bool) -> Self {
        if keep {
            let _ = folder.keep();
            eprintln!("the directory of the run is kept: {}", run.display());
            return Self { run, _temporary: None };
        }
        Self { run, _temporary: Some(folder) }
    }
}

impl FinishedRun {
    pub(super) fn new(
        outcome: Outcome,
        events: Vec<Event>,
        took: Duration,
        folder: Folder,
    ) -> Self {
        Self { outcome, events, took, folder }
    }

    /// The one final record of the run.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The end status of the run.
    #[must_use]
    pub fn status(&self) -> EndStatus {
        self.outcome.status()
    }

    /// The exit code of a process that runs nothing else.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.outcome.exit_code()
    }

    /// Asserts that the run completed. Unlike a comparison of the status, the panic shows the failure.
    ///
    /// # Panics
    ///
    /// When the run did not complete.
    ///
    /// ```should_panic
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_fails(_ctx: JobContext) -> Result<(), JobError> {
    ///     Err("the disk is full".into())
    /// }
    ///
    /// // The run did not complete, it is failed (job_error): the disk is full.
    /// TestRun::of("kit_fails").run().assert_completed();
    /// ```
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the panic is what it is called for")]
    pub fn assert_completed(&self) -> &Self {
        assert_eq!(self.status(), EndStatus::Completed, "the run did not complete, {}", self.end());
        self
    }

    /// Why the run did not complete.
    ///
    /// # Panics
    ///
    /// When it completed.
    #[track_caller]
    #[must_use]
    pub fn failure(&self) -> &Failure {
        match self.outcome.ending.failure() {
            Some(failure) => failure,
            None => panic!("the run completed, so there is no failure"),
        }
    }

    /// The result of the job. A run that was stopped has one, too, if the job still returned it.
    ///
    /// # Panics
    ///
    /// When the run has no result, or it cannot be deserialised as `T`.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_returns(_ctx: JobContext) -> Result<(u32, &'static str), JobError> {
    ///     Ok((7, "seven"))
    /// }
    ///
    /// let (number, name): (u32, String) = TestRun::of("kit_returns").run().result();
    /// assert_eq!((number, name.as_str()), (7, "seven"));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn result<T: DeserializeOwned>(&self) -> T {
        let Some(result) = &self.outcome.result else {
            panic!("the run has no result, {}", self.end());
        };
        match result.to() {
            Ok(value) => value,
            Err(error) => {
                let wanted = std::any::type_name::<T>();
                panic!("the result cannot be read as `{wanted}`: {error}; it is {result}")
            }
        }
    }

    /// The paths of the output files that were collected, sorted.
    #[must_use]
    pub fn outputs(&self) -> Vec<String> {
        self.collected().map(shown).collect()
    }

    /// The content of an output file, if it was collected.
    ///
    /// # Panics
    ///
    /// When it was collected and cannot be read.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_writes(ctx: JobContext) -> Result<(), JobError> {
    ///     std::fs::write(ctx.scratch_dir().join("draft.bin"), [0])?;
    ///     Ok(std::fs::write(ctx.output_dir().join("model.bin"), [1, 2, 3])?)
    /// }
    ///
    /// let finished = TestRun::of("kit_writes").run();
    /// assert_eq!(finished.outputs(), ["model.bin"]);
    /// assert_eq!(finished.output("model.bin"), Some(vec![1, 2, 3]));
    /// assert_eq!(finished.output("draft.bin"), None);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn output(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.collected().find(|file| shown(file) == path)?;
        let below = OsStr::from_bytes(file.path.as_bytes());
        match std::fs::read(self.folder.run.join("outputs").join(below)) {
            Ok(content) => Some(content),
            Err(error) => panic!("the output `{path}` cannot be read any more: {}", chain(&error)),
        }
    }

    /// The text of an output file, if it was collected.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8, or cannot be read.
    #[track_caller]
    #[must_use]
    pub fn output_text(&self, path: &str) -> Option<String> {
        match String::from_utf8(self.output(path)?) {
            Ok(text) => Some(text),
            Err(error) => panic!("the output `{path}` is not text: {error}"),
        }
    }

    /// All events of the run, in order. Their times are those of the real clock.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The statuses that the run went through, in order, the end status last.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use chutes::event::Status;
    ///
    /// #[chutes::job]
    /// async fn kit_does_nothing(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(())
    /// }
    ///
    /// let finished = TestRun::of("kit_does_nothing").run();
    /// assert!(finished.statuses().contains(&Status::ExecutorReady));
    /// assert_eq!(finished.statuses().last(), Some(&Status::Completed));
    /// ```
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        let status = |event: &Event| match event.what {
            RunEvent::Status { status } => Some(status),
            _ => None,
        };
        self.events.iter().filter_map(status).collect()
    }

    /// The progress events, in order. Of reports without a pause between them only the newest becomes an event, and a
    /// report that repeats the one before becomes none.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        let progress = |event: &Event| match &event.what {
            RunEvent::Progress(progress) => Some(progress.clone()),
            _ => None,
        };
        let mut progress: Vec<_> = self.events.iter().filter_map(progress).collect();
        progress.dedup();
        progress
    }

    /// Problems that did not decide how the run ended, for instance a shutdown hook that failed.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.outcome.warnings
    }

    /// How long a phase took, on the clock of the run; `None` when it was not entered.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use std::time::Duration;
    /// use chutes::outcome::Phase;
    ///
    /// const THREE_HOURS: Duration = Duration::from_secs(3 * 3_600);
    ///
    /// #[chutes::job]
    /// async fn kit_sleeps(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(tokio::time::sleep(THREE_HOURS).await)
    /// }
    ///
    /// let finished = TestRun::of("kit_sleeps").run();
    /// assert_eq!(finished.elapsed(Phase::Execute), Some(THREE_HOURS));
    /// assert_eq!(finished.took(), THREE_HOURS, "nothing else takes time");
    /// ```
    #[must_use]
    pub fn elapsed(&self, phase: Phase) -> Option<Duration> {
        let reports = &self.outcome.phases;
        reports.iter().find(|report| report.phase == phase).map(|report| report.elapsed)
    }

    /// How long the whole run took, on its clock.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The directory of the run, with `run.jsonl`, `manifest.json`, `scratch/` and the rest.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.folder.run
    }

    fn collected(&self) -> impl Iterator<Item = &OutputFile> {
        let files = self.outcome.outputs.iter();
        files.filter(|file| matches!(file.state, FileState::Collected { .. }))
    }

    /// The end of the run as a text.
    fn end(&self) -> String {
        let status = self.status();
        let Some(failure) = self.outcome.ending.failure() else { return format!("it is {status}") };
        let parts = std::iter::once(&failure.message).chain(&failure.causes);
        let message = parts.map(String::as_str).collect::<Vec<_>>().join(": ");
        format!("it is {status} ({}): {message}", failure.kind.as_str())
    }
}

/// The path as messages show it, also one that is not UTF-8.
fn shown(file: &OutputFile) -> String {
    file.path.to_string()
}
