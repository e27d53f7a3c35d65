//! Runs a job in a test: its folder, its runtime and its clock.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{Event, HumanDuration, Outcome, RunEvent, RunId, user_text};
use chutes_supervisor::sink::Sink;
use chutes_supervisor::{CancelHandle, Observer, RunError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};

use super::cancel::CancelPlan;
use super::finished::{FinishedRun, Folder};
use super::run::TestRun;
use crate::run::{LimitTooLong, Run};

/// A run that goes on for this long on a virtual clock, after its limit and the last planned request, is taken as
/// one that never ends. It is longer than any delivery, and takes a second of real time.
const ENDLESS: Duration = Duration::from_hours(7 * 24);

/// How long work on other threads may continue after the end of the run.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// The name of the run directory in a temporary directory.
const RUN: &str = "run";

/// An error in the use of the kit by a test.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// The test runs within a tokio runtime.
    #[error(
        "`TestRun::run` has a runtime of its own and was called within another: make the test a \
         plain function with `#[test]`, without `async` and `#[tokio::test]`"
    )]
    WithinRuntime,
    /// The runtime cannot be started.
    #[error("cannot start a runtime for the test")]
    Runtime(#[source] io::Error),
    /// The temporary directory cannot be created.
    #[error("cannot make a temporary folder for the run")]
    Folder(#[source] io::Error),
    /// An input file cannot be written.
    #[error("cannot write the input `{path}`")]
    Input {
        /// Its path.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The test sets a limit that the job does not allow.
    #[error(transparent)]
    Limit(#[from] LimitTooLong),
    /// The run could not begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run does not end.
    #[error(
        "the run did not end within {} of virtual time, so it waits for something that never \
         happens: give it a `time_limit` or cancel it; or use `real_time`, if it waits for a socket, a \
         process or a thread",
        HumanDuration(*.0)
    )]
    Endless(Duration),
}

/// A message with its causes, for a panic.
pub(super) fn chain(error: &dyn Error) -> String {
    [error.to_string()].into_iter().chain(user_text::causes(error)).collect::<Vec<_>>().join(": ")
}

/// Runs a job to its outcome.
pub(super) fn execute(test: TestRun) -> Result<FinishedRun, Problem> {
    let folder = tempfile::Builder::new().prefix("chutes-test-").tempdir();
    let folder = folder.map_err(Problem::Folder)?;
    let directory = folder.path().join(RUN);
    put_inputs(&test, &directory)?;
    let (cancel, real_time, keep) = (test.cancel, test.real_time, test.keep);
    let planned = cancel.end().max(test.limits.execute.unwrap_or_default());
    let endless = planned.saturating_add(ENDLESS);
    let run = prepare(test, &directory)?;
    let handle = run.cancel_handle();
    let recorder = Arc::new(Recorder {
        events: Mutex::default(),
        cancel: handle.clone(),
        at_progress: cancel.at_progress,
    });
    let run = run.observer(recorder.clone());
    let (outcome, took) = if real_time {
        in_real_time(run, cancel, &handle)?
    } else {
        let runtime = runtime(Builder::new_current_thread().start_paused(true))?;
        let ended = runtime.block_on(supervise(run, cancel, &handle, Some(endless)));
        runtime.shutdown_timeout(LEAVE_TIME);
        ended?
    };
    let events = std::mem::take(&mut *recorder.lock());
    Ok(FinishedRun::new(outcome, events, took, Folder::new(folder, directory, keep)))
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Problem> {
    builder.enable_all().build().map_err(Problem::Runtime)
}

/// Executes on the real clock, with a runtime for the job alone, so that a job that never yields does not block its
/// supervisor.
fn in_real_time(
    run: Run,
    cancel: CancelPlan,
    handle: &CancelHandle,
) -> Result<(Outcome, Duration), Problem> {
    let user_code = runtime(Builder::new_multi_thread().worker_threads(2))?;
    let supervisor = runtime(&mut Builder::new_current_thread())?;
    let run = run.runtime(user_code.handle().clone());
    let ended = supervisor.block_on(supervise(run, cancel, handle, None));
    // A task that never yields is left running.
    user_code.shutdown_background();
    supervisor.shutdown_timeout(LEAVE_TIME);
    ended
}

async fn supervise(
    run: Run,
    cancel: CancelPlan,
    handle: &CancelHandle,
    endless: Option<Duration>,
) -> Result<(Outcome, Duration), Problem> {
    let begin = Instant::now();
    let never_ends = async {
        match endless.and_then(|time| Some((time, begin.checked_add(time)?))) {
            Some((time, until)) => {
                sleep_until(until).await;
                time
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        outcome = run.execute() => Ok((outcome?, begin.elapsed())),
        never = cancel.carry_out(begin, handle) => match never {},
        time = never_ends => Err(Problem::Endless(time)),
    }
}

fn prepare(test: TestRun, directory: &Path) -> Result<Run, Problem> {
    let run = Run::new(test.job, directory).data(test.data).limits(test.limits)?;
    let host = test.host.unwrap_or_else(|| own_address(run.id()));
    let sinks = test.sinks.into_iter().map(|sink| Arc::new(sink) as Arc<dyn Sink>).collect();
    Ok(run.host(host).live_delivery(test.live).test_sinks(sinks))
}

/// A loopback address that is unlikely to be that of another run: the last bytes of an id are random.
fn own_address(id: RunId) -> IpAddr {
    let [.., second, third, last] = *id.as_bytes();
    Ipv4Addr::new(127, second.max(1), third, last.clamp(1, 254)).into()
}

/// Writes the input files, the only entries that a run directory may have before the run begins.
fn put_inputs(test: &TestRun, directory: &Path) -> Result<(), Problem> {
    let inputs = directory.join("inputs");
    for (path, content) in &test.inputs {
        let at = inputs.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        let made = at.parent().map_or(Ok(()), std::fs::create_dir_all);
        let failed = |source| Problem::Input { path: path.to_string(), source };
        made.and_then(|()| std::fs::write(&at, content)).map_err(failed)?;
    }
    Ok(())
}

/// Records all events, and cancels the run at the planned progress.
struct Recorder {
    events: Mutex<Vec<Event>>,
    cancel: CancelHandle,
    at_progress: Option<f64>,
}

impl Recorder {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recorder {
    fn on_event(&self, event: &Event) {
        self.lock().push(event.clone());
        if let RunEvent::Progress(progress) = &event.what
            && self.at_progress.is_some_and(|fraction| progress.fraction >= fraction)
        {
            self.cancel.cancel();
        }
    }
}
