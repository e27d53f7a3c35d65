//! One run under the eyes of its user: console, events, signals, outcome. The same for `run` and `exec`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use chutes_core::{ExitCode, Outcome, RunId};
use chutes_supervisor::logs::LogCap;
use chutes_supervisor::worker::{OutputSettings, StartWorker};
use chutes_supervisor::{
    Observer, RunDirectoryError, RunError, Supervisor, keep_descriptors, returned, runtime,
};
use tokio::runtime::Runtime;

use super::console::{Console, Stream};
use super::list::to_json_line;
use super::observe::{All, EventTarget, Forwarded, Forwarder};
use super::problem::Problem;
use super::signals::Signals;
use super::{recover, report};

/// What the user wants to see of a run.
pub(super) struct Session {
    /// What runs, as in "running …".
    pub(super) title: String,
    pub(super) events: Option<EventTarget>,
    /// Where what the run returns is written to.
    pub(super) result: Option<PathBuf>,
    pub(super) log_cap: LogCap,
    pub(super) json: bool,
}

/// The directory of a run that was not given one.
pub(super) fn directory(given: Option<PathBuf>, name: &str, run_id: RunId) -> PathBuf {
    given.unwrap_or_else(|| PathBuf::from("runs").join(format!("{name}-{}", run_id.short())))
}

impl Session {
    /// Takes the run to its outcome, with this worker, and tells how it ended.
    pub(super) fn run<W: StartWorker + 'static>(
        &self,
        attempt: Supervisor,
        worker: impl FnOnce(OutputSettings) -> W,
    ) -> Result<ExitCode, Problem> {
        // What this process was started with is not for user code: the request, or the file of the events.
        keep_descriptors();
        let platform = |error: io::Error| Problem::platform(&error);
        let runtime = runtime(attempt.has_transfers()).map_err(platform)?;
        let console = Arc::new(Console::open().map_err(platform)?);
        let watching = Watching::start(&console, self.events.as_ref()).map_err(platform)?;
        let (observer, forwarded) = (watching.observer, watching.forwarded);
        let artifacts_dir = attempt.request().spec.artifacts_dir.clone();
        let attempt = attempt.observer(Arc::new(observer));
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
        console.print(&format!("running {} in {}\n", self.title, directory.root().display()));
        let worker = worker(self.output(&console).map_err(platform)?);
        let outcome = runtime.block_on(async {
            let cancelling = tokio::spawn(signals.cancel(cancel));
            let outcome = created.supervise(worker).await;
            cancelling.abort();
            outcome
        });
        for (what, forwarded) in forwarded {
            if let Err(why) = forwarded.wait() {
                console.print(&format!("warning: not all {what} were written: {why}\n"));
            }
        }
        console.close();
        finish(&console, &outcome, self.json)?;
        if let Some(path) = &self.result {
            returned::write(path, &outcome, &directory, artifacts_dir.as_ref())
                .map_err(|error| Problem::platform(&error))?;
        }
        runtime.shutdown_background();
        Ok(outcome.exit_code())
    }

    /// Where the output of the job is shown. With `--json` nothing but the outcome may come to standard
    /// output, so that the job's output goes to standard error.
    fn output(&self, console: &Arc<Console>) -> io::Result<OutputSettings> {
        let stdout = if self.json { Stream::Stderr } else { Stream::Stdout };
        let stdout = Box::new(console.output(stdout)?);
        let stderr = Box::new(console.output(Stream::Stderr)?);
        Ok(OutputSettings { log_cap: self.log_cap, stdout, stderr })
    }
}

/// Tells how the run ended.
pub(super) fn finish(console: &Console, outcome: &Outcome, json: bool) -> Result<(), Problem> {
    report::print(console, outcome);
    if json { super::to_stdout(&to_json_line(outcome)?) } else { Ok(()) }
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

/// Who is told of the run.
pub(super) struct Watching {
    pub(super) observer: All,
    pub(super) forwarded: Vec<(&'static str, Forwarded)>,
}

impl Watching {
    fn start(console: &Arc<Console>, events: Option<&EventTarget>) -> io::Result<Self> {
        let mut watching = Self::on(console)?;
        if let Some(target) = events {
            let (events, forwarded) = Forwarder::start("events", target.open()?.writer())?;
            watching.observer.0.push(Box::new(events));
            watching.forwarded.push(("events", forwarded));
        }
        Ok(watching)
    }

    /// People only.
    pub(super) fn on(console: &Arc<Console>) -> io::Result<Self> {
        let console = Arc::clone(console);
        let show = move |event: Option<&_>| {
            if let Some(event) = event {
                console.on_event(event);
            }
            Ok(())
        };
        let (shown, forwarded) = Forwarder::start("console", show)?;
        let observer = All(vec![Box::new(shown)]);
        Ok(Self { observer, forwarded: vec![("messages", forwarded)] })
    }
}
