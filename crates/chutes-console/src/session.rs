//! One attempt in the foreground: what happens is shown and written, signals cancel it, its end is reported.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chutes_compute_horde::CLASSES;
use chutes_core::{EndStatus, Outcome, RunId, RunRequest, SinkReport};
use chutes_supervisor::logs::LogCap;
use chutes_supervisor::worker::{OutputSettings, StartWorker};
use chutes_supervisor::{
    CancelHandle, CreatedRun, Follower, RunDirectory, RunDirectoryError, RunError, Supervisor,
    keep_descriptors, returned, runtime,
};
use tokio::runtime::Runtime;

use crate::arguments::ReportArguments;
use crate::detach::{announce, detach, leave_terminal};
use crate::events::{EventFile, EventTarget, Forwarding};
use crate::problem::Problem;
use crate::program::CommandResult;
use crate::recover;
use crate::result_target::ResultTarget;
use crate::signals::Signals;
use crate::stdout::{json_line, print};
use crate::terminal::{Console, Stream, report};

/// One attempt in the foreground.
///
/// It shows what happens on standard error, with a progress bar if that is a terminal, and the output of the job on
/// both streams. SIGINT and SIGTERM cancel the attempt, more urgently each time; SIGHUP cancels it, too, unless it is
/// ignored. At the end the session reports the outcome.
#[derive(Clone, Debug)]
pub struct Session {
    /// What runs, as in "running …".
    pub title: String,
    /// The command of this program that takes a run request: `run`, or `exec`.
    pub command: &'static str,
    /// What is shown and written.
    pub report: ReportArguments,
}

/// The directory of a run: the given one, or by default `runs/NAME-ID` with the short form of the id.
///
/// ```
/// use std::path::Path;
/// use chutes_core::RunId;
///
/// let run_id = RunId::from_bytes([7; 16]);
/// let directory = chutes_console::run_directory(None, "train", run_id);
/// assert_eq!(directory, Path::new("runs").join(format!("train-{}", run_id.short())));
/// ```
#[must_use]
pub fn run_directory(given: Option<PathBuf>, name: &str, run_id: RunId) -> PathBuf {
    given.unwrap_or_else(|| PathBuf::from("runs").join(format!("{name}-{}", run_id.short())))
}

impl Session {
    /// Takes the attempt to its outcome, with this worker, and reports how it ended. The classes of machine that a
    /// spec may name are [`CLASSES`].
    ///
    /// # Errors
    ///
    /// When the attempt cannot be made, with exit code 2 if the request is wrong: nothing was started. A run that
    /// was left unfinished in its directory has then been recovered. With exit code 4, when the terminal or a file
    /// of the arguments cannot be used, also at the end of the run.
    pub fn run<W: StartWorker + 'static>(
        &self,
        attempt: Supervisor,
        worker: impl FnOnce(OutputSettings) -> W,
    ) -> CommandResult {
        let log_cap = log_cap(attempt.request())?;
        if self.report.detach {
            return detach(self.command, attempt.request(), &self.report);
        }
        let run_id = attempt.request().run_id;
        let _cgroup = self.report.detached.then(|| leave_terminal(run_id));
        let Written { result, events } = self.written(attempt.request())?;
        let is_named_by_us = is_named_by_us(attempt.request());
        // What this process was started with is not for user code: the request, or the file of the events.
        keep_descriptors();
        let platform = |error: io::Error| Problem::platform(&error);
        let runtime = runtime(attempt.has_transfers()).map_err(platform)?;
        let console = Arc::new(Console::open().map_err(platform)?);
        let artifacts_dir = attempt.request().spec.artifacts_dir.clone();
        let attempt = attempt.classes(&CLASSES);
        let cancel = attempt.cancel_handle();
        // From here on a signal cancels the run, also when it comes before the run begins.
        let signals = listen(&runtime).map_err(platform)?;
        let created = match attempt.create() {
            Ok(created) => created,
            Err(error) => {
                console.close();
                return Err(refused(&error, &runtime, signals));
            }
        };
        let directory = created.directory().clone();
        // What the job prints is shown as it comes, not line by line.
        let messages = || created.follow_without_output();
        let mut watching = Watching::on(&console, messages()).map_err(platform)?;
        if let Some(file) = events {
            watching.write(file, created.follow()).map_err(platform)?;
        }
        if self.report.detached {
            watching.announce(&console, messages()).map_err(platform)?;
        }
        console.print(&format!("running {} in {}\n", self.title, directory.root().display()));
        let worker = worker(self.output(&console, log_cap).map_err(platform)?);
        let outcome = runtime.block_on(supervise(created, worker, signals, cancel));
        watching.finish(&console);
        console.close();
        finish(&console, &outcome, self.report.json)?;
        if let (Some(target), Some(path)) = (result, &self.report.result) {
            let content = returned::to_json(&outcome, &directory, artifacts_dir.as_ref());
            let written = content.and_then(|content| target.write(&content));
            written.map_err(|error| platform(unwritable("the result", path, &error)))?;
        }
        if is_named_by_us {
            leave_nothing_of_rejected(&outcome, &directory);
        }
        runtime.shutdown_background();
        Ok(outcome.exit_code())
    }

    /// The files that are written, checked and opened as far as that can be done before there is a run.
    fn written(&self, request: &RunRequest) -> Result<Written, Problem> {
        let refused = |what: &str, path: &Path, error: &io::Error| {
            Problem::bad_request(&unwritable(what, path, error))
        };
        let find = |path: &PathBuf| {
            let target = ResultTarget::find(path, &request.directory);
            target.map_err(|error| refused("the result", path, &error))
        };
        let result = self.report.result.as_ref().map(find).transpose()?;
        let open = |target: &EventTarget| {
            target.open().map_err(|error| refused("events", target.path(), &error))
        };
        Ok(Written { result, events: self.report.events.as_ref().map(open).transpose()? })
    }

    /// Where the output of the job is shown. With `--json` nothing but the outcome may come to standard
    /// output, so that the job's output goes to standard error.
    fn output(&self, console: &Arc<Console>, log_cap: LogCap) -> io::Result<OutputSettings> {
        if self.report.detached {
            return Ok(OutputSettings { log_cap, ..OutputSettings::hidden() });
        }
        let stdout = if self.report.json { Stream::Stderr } else { Stream::Stdout };
        let stdout = Box::new(console.output(stdout)?);
        let stderr = Box::new(console.output(Stream::Stderr)?);
        Ok(OutputSettings { log_cap, stdout, stderr })
    }
}

/// Whether the directory is the default one, which is made for this run alone.
fn is_named_by_us(request: &RunRequest) -> bool {
    let default = run_directory(None, request.spec.target().short_name(), request.run_id);
    request.directory == default
}

/// Removes what was made for a run that was rejected, unless there is something that `recover` still has to deliver.
fn leave_nothing_of_rejected(outcome: &Outcome, directory: &RunDirectory) {
    if outcome.status() != EndStatus::Rejected || !outcome.sinks.iter().all(SinkReport::is_complete)
    {
        return;
    }
    // What cannot be removed is an empty run, and does no harm.
    let _ = std::fs::remove_dir_all(directory.root());
    if let Some(runs) = directory.root().parent() {
        // It stays when it has other runs.
        let _ = std::fs::remove_dir(runs);
    }
}

/// The files that are written of a run.
struct Written {
    result: Option<ResultTarget>,
    events: Option<EventFile>,
}

/// Why a file cannot be written.
fn unwritable(what: &str, path: &Path, error: &io::Error) -> io::Error {
    let message = format!("cannot write {what} to `{}`: {error}", path.display());
    io::Error::new(error.kind(), message)
}

/// Takes an attempt to its outcome, while signals may cancel it.
async fn supervise(
    created: CreatedRun,
    worker: impl StartWorker + 'static,
    signals: Signals,
    cancel: CancelHandle,
) -> Outcome {
    let cancelling = tokio::spawn(signals.cancel(cancel));
    let outcome = created.supervise(worker).await;
    cancelling.abort();
    outcome
}

/// How much is kept of each stream that user code prints to.
fn log_cap(request: &RunRequest) -> Result<LogCap, Problem> {
    match request.log_limit {
        None => Ok(LogCap::default()),
        Some(bytes) => LogCap::new(bytes).map_err(|error| Problem::bad_request(&error)),
    }
}

/// Reports how the run ended.
pub(crate) fn finish(console: &Console, outcome: &Outcome, json: bool) -> Result<(), Problem> {
    report::print(console, outcome);
    if json { print(&json_line(outcome)?) } else { Ok(()) }
}

/// Why there is no new run. A directory in which another run was left unfinished is put in order.
fn refused(error: &RunError, runtime: &Runtime, signals: Signals) -> Problem {
    let hint = match error {
        RunError::Directory(RunDirectoryError::NotEmpty { path }) => {
            recover::put_in_order(path, runtime, signals)
        }
        _ => None,
    };
    let problem = Problem::run(error);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn listen(runtime: &Runtime) -> io::Result<Signals> {
    let _within = runtime.enter();
    Signals::listen()
}

/// What receives the events of a run, by what is not complete when some are missing.
pub(crate) struct Watching(Vec<(&'static str, Forwarding)>);

impl Watching {
    /// Writes all events to a file.
    fn write(&mut self, file: EventFile, follower: Follower) -> io::Result<()> {
        self.0.push(("events", Forwarding::start("events", follower, file.writer())?));
        Ok(())
    }

    /// Says that a detached run is accepted.
    fn announce(&mut self, console: &Arc<Console>, follower: Follower) -> io::Result<()> {
        let announce = announce(Arc::clone(console));
        self.0.push(("messages", Forwarding::start("detach", follower, announce)?));
        Ok(())
    }

    /// Shows events, and writes none.
    pub(crate) fn on(console: &Arc<Console>, follower: Follower) -> io::Result<Self> {
        let console = Arc::clone(console);
        let show = move |event: Option<&_>| {
            if let Some(event) = event {
                console.show(event);
            }
            Ok(())
        };
        Ok(Self(vec![("messages", Forwarding::start("console", follower, show)?)]))
    }

    /// Waits for what is shown and written, and warns of what is missing there.
    pub(crate) fn finish(self, console: &Console) {
        for (what, forwarding) in self.0 {
            if let Err(why) = forwarding.wait() {
                console.print(&format!("warning: not all {what} were written: {why}\n"));
            }
        }
    }
}
