//! Runs in one process, on a virtual clock: time passes only when all tasks wait.

#[cfg(feature = "http")]
mod delivery;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chutes_core::{
    EndStatus, Event, FailureKind, JobSpec, Json, Limits, Outcome, Phase, RunEvent, Status,
};
use chutes_supervisor::Observer;
use tokio::time::{Instant, sleep};

use super::{CancelHandle, Run, RunError};
use crate::registry::{Job, Registry};
use crate::{JobContext, JobError, job};

/// Sleeps for as many seconds as its data says, and writes the number into a file.
#[job(timeout = "1m")]
async fn sleeps(ctx: JobContext, seconds: u64) -> Result<u64, JobError> {
    std::fs::write(ctx.output_dir().join("seconds.txt"), seconds.to_string())?;
    sleep(Duration::from_secs(seconds)).await;
    Ok(seconds)
}

/// Ends after it is asked to stop, as many seconds later as its data says.
#[job]
async fn ends_slowly(ctx: JobContext, seconds: u64) -> Result<&'static str, JobError> {
    ctx.progress(0.0, "started");
    ctx.cancellation().cancelled().await;
    sleep(Duration::from_secs(seconds)).await;
    Ok("the end")
}

/// Fails when it is asked to stop.
#[job]
async fn fails_at_the_end(ctx: JobContext) -> Result<(), JobError> {
    ctx.progress(0.0, "started");
    ctx.cancellation().cancelled().await;
    Err("nothing was saved".into())
}

/// Panics as its data says.
#[job]
async fn panics(_ctx: JobContext, message: String) -> Result<(), JobError> {
    tokio::task::yield_now().await;
    panic!("{message}");
}

/// Panics with a value that is not text.
#[job]
async fn panics_with_a_value(_ctx: JobContext) -> Result<(), JobError> {
    std::panic::panic_any(7_u8);
}

/// Reports progress faster than events are emitted.
#[job]
async fn reports(ctx: JobContext) -> Result<(), JobError> {
    for step in 0..10_000 {
        ctx.progress(f64::from(step) / 10_000.0, format!("step {step}"));
    }
    ctx.progress(f64::NAN, "not a number");
    ctx.progress(7.0, "done");
    Ok(())
}

/// Returns its deadline in seconds from now.
#[job(timeout = "1m")]
async fn tells_its_deadline(ctx: JobContext) -> Result<Option<u64>, JobError> {
    Ok(ctx.remaining().map(|remaining| remaining.as_secs()))
}

#[derive(Default)]
struct Recorder(Mutex<Vec<RunEvent>>);

impl Observer for Recorder {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.what.clone());
    }
}

impl Recorder {
    fn all<T>(&self, choose: impl Fn(&RunEvent) -> Option<T>) -> Vec<T> {
        self.0.lock().unwrap().iter().filter_map(choose).collect()
    }
}

/// Cancels a run, once or more often, when its job reports that it has started.
struct CancelJob(CancelHandle, u32);

impl Observer for CancelJob {
    fn on_event(&self, event: &Event) {
        if matches!(event.what, RunEvent::Progress(_)) {
            (0..self.1).for_each(|_| self.0.cancel());
        }
    }
}

fn cancelled(run: Run, times: u32) -> Run {
    let observer = CancelJob(run.cancel_handle(), times);
    run.observer(Arc::new(observer))
}

fn job(name: &str) -> Job {
    Registry::collect().unwrap().get(name).unwrap().clone()
}

fn run(folder: &Path, name: &str, data: &str) -> Run {
    Run::new(job(name), folder.join("run")).data(Json::parse(data).unwrap())
}

fn failure(outcome: &Outcome) -> (FailureKind, &str) {
    let failure = outcome.ending.failure().unwrap();
    (failure.kind, &failure.message)
}

fn elapsed(outcome: &Outcome, phase: Phase) -> Duration {
    outcome.phases.iter().find(|report| report.phase == phase).unwrap().elapsed
}

#[test]
fn a_run_of_an_unknown_class_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let work = job("sleeps");
    let built = JobSpec::builder(work.name().clone()).executor_class("of.another.machine").build();
    let run = Run::from_spec(work, built.unwrap(), folder.path().join("run")).unwrap();
    let error = run.create().unwrap_err();
    assert!(matches!(error, RunError::Spec(_)), "{error:?}");
    assert!(error.to_string().contains("there is no class `of.another.machine`"), "{error}");
    assert!(!folder.path().join("run").exists());
}

#[tokio::test(start_paused = true)]
async fn completed() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    let outcome =
        run(folder.path(), "sleeps", "20").observer(recorder.clone()).execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Completed);
    assert_eq!(outcome.result, Some(Json::parse("20").unwrap()));
    assert_eq!(elapsed(&outcome, Phase::Execute), Duration::from_secs(20));
    assert_eq!(outcome.outputs.len(), 1);
    let statuses = recorder.all(|event| match event {
        RunEvent::Status { status } => Some(*status),
        _ => None,
    });
    let expected = [
        Status::Received,
        Status::Accepted,
        Status::ExecutorReady,
        Status::ExecutionDone,
        Status::Completed,
    ];
    assert_eq!(statuses, expected);
}

/// Heartbeats are emitted at regular intervals, also when nothing else happens.
#[tokio::test(start_paused = true)]
async fn heartbeats() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    run(folder.path(), "sleeps", "35").observer(recorder.clone()).execute().await.unwrap();
    let beats = recorder.all(|event| match event {
        RunEvent::Heartbeat { elapsed, .. } => Some(elapsed.as_secs()),
        _ => None,
    });
    assert_eq!(beats, [10, 20, 30]);
}

#[tokio::test(start_paused = true)]
async fn time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), "sleeps", "3600").execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::TimedOut);
    let message = "the execute phase reached its limit of 1m; the job did not end within its grace of 30s and was stopped";
    assert_eq!(failure(&outcome), (FailureKind::TimeLimit, message));
    assert_eq!(elapsed(&outcome, Phase::Execute), Duration::from_secs(90));
    assert_eq!(outcome.outputs.len(), 1, "outputs so far are kept");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_just_before_its_limit_has_finished() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), "sleeps", "59").execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn cancelled_and_ended_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let run = cancelled(run(folder.path(), "ends_slowly", "29"), 1);
    let outcome = run.execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    assert_eq!(failure(&outcome), (FailureKind::Cancelled, "the run was cancelled"));
    assert_eq!(outcome.result, Some(Json::parse("\"the end\"").unwrap()), "what it still said");
}

#[tokio::test(start_paused = true)]
async fn cancelled_and_ended_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let run = cancelled(run(folder.path(), "ends_slowly", "31"), 1);
    let outcome = run.execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    assert_eq!(outcome.result, None);
    assert!(failure(&outcome).1.contains("did not end within its grace of 30s"));
}

#[tokio::test(start_paused = true)]
async fn cancelled_harder() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "ends_slowly", "29");
    let cancel = run.cancel_handle();
    let begin = Instant::now();
    let reports = tokio::spawn(async move {
        for _ in 0..2 {
            sleep(Duration::from_secs(5)).await;
            cancel.cancel_harder();
        }
    });
    let outcome = run.execute().await.unwrap();
    reports.await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    assert_eq!(failure(&outcome).1, "the run was cancelled; the job was stopped at once");
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn cancelling_twice_in_the_gentle_way_is_not_harder() {
    let folder = tempfile::tempdir().unwrap();
    let run = cancelled(run(folder.path(), "ends_slowly", "29"), 2);
    let outcome = run.execute().await.unwrap();
    assert!(outcome.result.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_cancel_is_a_cause() {
    let folder = tempfile::tempdir().unwrap();
    let run = cancelled(run(folder.path(), "fails_at_the_end", "null"), 1);
    let outcome = run.execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    let causes = &outcome.ending.failure().unwrap().causes;
    assert_eq!(causes, &["the job then returned an error: nothing was saved"]);
}

#[tokio::test]
async fn cancelled_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "reports", "{}");
    run.cancel_handle().cancel();
    let recorder = Arc::new(Recorder::default());
    let outcome = run.observer(recorder.clone()).execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    let message = "the run was cancelled before the decoding of the data was started";
    assert_eq!(failure(&outcome), (FailureKind::Cancelled, message));
    let progress = recorder.all(|event| matches!(event, RunEvent::Progress(_)).then_some(()));
    assert!(progress.is_empty(), "the job was started");
}

#[tokio::test(start_paused = true)]
async fn a_late_cancel_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "sleeps", "5");
    let cancel = run.cancel_handle();
    let outcome = run.execute().await.unwrap();
    cancel.cancel_harder();
    assert_eq!(outcome.status(), EndStatus::Completed);
}

#[tokio::test]
async fn panics_have_message_and_place() {
    for (name, data, message) in [
        ("panics", "\"the disk is full\"", "the disk is full"),
        ("panics_with_a_value", "null", "a value that is not text"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let outcome = run(folder.path(), name, data).execute().await.unwrap();
        assert_eq!(outcome.status(), EndStatus::Failed);
        let failure = outcome.ending.failure().unwrap();
        let place = failure.location.as_deref().unwrap();
        assert!(place.contains("run/tests.rs:"), "{place}");
        assert_eq!(failure.message, format!("the job panicked at {place}: {message}"));
    }
}

#[tokio::test]
async fn panics_of_two_runs_are_kept_apart() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = run(folders[0].path(), "panics", "\"first\"");
    let second = run(folders[1].path(), "panics", "\"second\"");
    let (first, second) = tokio::join!(first.execute(), second.execute());
    assert!(failure(&first.unwrap()).1.ends_with(": first"));
    assert!(failure(&second.unwrap()).1.ends_with(": second"));
}

#[tokio::test(start_paused = true)]
async fn two_runs_do_not_see_each_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = run(folders[0].path(), "sleeps", "10");
    let second = run(folders[1].path(), "sleeps", "20");
    first.cancel_handle().cancel_harder();
    let (first, second) = tokio::join!(first.execute(), second.execute());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.status(), EndStatus::Cancelled);
    assert_eq!(second.status(), EndStatus::Completed);
    assert_ne!(first.run_id, second.run_id);
    let written = std::fs::read_to_string(folders[1].path().join("run/outputs/seconds.txt"));
    assert_eq!(written.unwrap(), "20");
}

#[tokio::test]
async fn progress_is_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    run(folder.path(), "reports", "{}").observer(recorder.clone()).execute().await.unwrap();
    let reports = recorder.all(|event| match event {
        RunEvent::Progress(progress) => Some((progress.fraction, progress.message.clone())),
        _ => None,
    });
    assert_eq!(reports.last(), Some(&(1.0, "done".to_owned())));
    assert!(reports.len() < 10_000, "{} reports", reports.len());
}

#[tokio::test(start_paused = true)]
async fn deadline() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), "tells_its_deadline", "{}").execute().await.unwrap();
    assert_eq!(outcome.result, Some(Json::parse("60").unwrap()));
}

#[test]
fn a_run_may_not_take_longer_than_its_job_declares() {
    let with_limit = |execute| {
        let limits = Limits { execute, ..Limits::default() };
        Run::new(job("sleeps"), "unused").limits(limits).map(drop)
    };
    assert!(with_limit(Some(Duration::from_mins(1))).is_ok());
    assert!(with_limit(Some(Duration::from_secs(1))).is_ok());
    let error = with_limit(Some(Duration::from_secs(61))).unwrap_err();
    assert_eq!(error.to_string(), "a run may not take longer than its job declares: 1m");
    assert!(with_limit(None).is_err());
}

#[tokio::test]
async fn a_used_directory_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "reports", "{}").execute().await.unwrap();
    let journal = folder.path().join("run/run.jsonl");
    let before = std::fs::read(&journal).unwrap();
    assert!(run(folder.path(), "reports", "{}").execute().await.is_err());
    assert_eq!(std::fs::read(&journal).unwrap(), before);
}

#[tokio::test]
async fn wrong_data_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), "sleeps", "\"ten\"").execute().await.unwrap();
    assert_eq!(outcome.status(), EndStatus::Rejected);
    assert_eq!(failure(&outcome).0, FailureKind::InvalidData);
    assert!(!folder.path().join("run/outputs/seconds.txt").exists());
}
