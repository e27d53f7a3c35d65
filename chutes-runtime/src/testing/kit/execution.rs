//! Runs a job in a test: its folder, its runtime and its clock.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{Event, HumanDuration, Outcome, RunEvent, RunId};
use chutes_outputs::Sink;
use chutes_supervisor::{CancelHandle, Observer, RunError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};

use super::cancel::CancelPlan;
use super::finished::{FinishedRun, Folder};
use super::run::TestRun;
use crate::run::{LimitTooLong, Run};

/// A run that goes on for this long on a virtual clock, after its limit and the last thing that was
/// planned, waits for ever. It is more than a delivery may take, and is over in a second.
const ENDLESS: Duration = Duration::from_hours(7 * 24);

/// How long work on other threads may go on when the run has ended.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// The folder of a run, in a temporary one.
const RUN: &str = "run";

/// What is wrong with a test.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// A runtime cannot wait for another.
    #[error(
        "`TestRun::run` has a runtime of its own and was called within another: make the test a \
         plain function with `#[test]`, without `async` and `#[tokio::test]`"
    )]
    WithinRuntime,
    /// Nothing can be run.
    #[error("cannot start a runtime for the test")]
    Runtime(#[source] io::Error),
    /// There is no place for it.
    #[error("cannot make a temporary folder for the run")]
    Folder(#[source] io::Error),
    /// An input cannot be put where it belongs.
    #[error("cannot write the input `{path}`")]
    Input {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The test wants what the job does not allow.
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
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
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

/// With a runtime for the job alone, so that one that never yields does not stop its supervisor.
fn in_real_time(
    run: Run,
    cancel: CancelPlan,
    handle: &CancelHandle,
) -> Result<(Outcome, Duration), Problem> {
    let user_code = runtime(Builder::new_multi_thread().worker_threads(2))?;
    let supervisor = runtime(&mut Builder::new_current_thread())?;
    let run = run.runtime(user_code.handle().clone());
    let ended = supervisor.block_on(supervise(run, cancel, handle, None));
    // What never yields is left behind.
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

/// A loopback address that no other run is likely to have: the last bytes of an id are random.
fn own_address(id: RunId) -> IpAddr {
    let [.., second, third, last] = *id.as_bytes();
    Ipv4Addr::new(127, second.max(1), third, last.clamp(1, 254)).into()
}

/// Only inputs may be in the directory of a run before it begins.
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

/// Keeps all events, and cancels when the job has come far enough.
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
