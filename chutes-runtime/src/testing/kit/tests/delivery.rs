//! Deliveries to sinks that work, fail, refuse, are slow and stall.

use std::time::Duration;

use backon::BackoffBuilder;
use chutes_core::{EndStatus, FailureKind, FileKind, Limits, Phase, RunEvent, Status};
use chutes_supervisor::sink::RetryPolicy;

use super::super::{FinishedRun, TestRun, TestSink};
use super::{HOUR, SECOND};
use crate::{JobContext, JobError, job};

/// Writes a file with something in it, and an empty one.
#[job]
async fn kit_writes_two(ctx: JobContext) -> Result<(), JobError> {
    std::fs::create_dir(ctx.output_dir().join("a"))?;
    std::fs::write(ctx.output_dir().join("a/model.bin"), "model")?;
    Ok(std::fs::write(ctx.output_dir().join("empty"), "")?)
}

/// The number of attempts at a file that never arrives, and the milliseconds of delay between them.
fn patience() -> (usize, u64) {
    let delays: Vec<Duration> = RetryPolicy::default().delays.build().collect();
    let waited = delays.iter().sum::<Duration>().as_millis();
    (delays.len() + 1, u64::try_from(waited).unwrap())
}

fn deliver(sink: &TestSink) -> FinishedRun {
    TestRun::of("kit_writes_two").sink(sink).run()
}

/// Checks which files arrive, and for `a/model.bin` the number of attempts, the time in milliseconds, and the reason
/// of a failure.
#[track_caller]
fn check(sink: &TestSink, files: &[&str], attempts: usize, time: u64, reason: Option<&str>) {
    let finished = deliver(sink);
    assert_eq!(sink.files(), files);
    assert_eq!(sink.attempts("a/model.bin"), attempts);
    assert_eq!(finished.elapsed(Phase::Upload), Some(Duration::from_millis(time)));
    let file = &finished.outcome().outputs[0];
    assert_eq!(file.path, "a/model.bin");
    match reason {
        None => assert_eq!(file.deliveries[0].state.as_str(), "delivered"),
        Some(reason) => {
            assert_eq!(finished.status(), EndStatus::Failed);
            assert_eq!(finished.failure().kind, FailureKind::OutputsIncomplete);
            assert_eq!(finished.exit_code().get(), 3);
            assert!(format!("{:?}", file.deliveries[0].state).contains(reason), "{file:?}");
        }
    }
    assert_eq!(finished.outputs(), ["a/model.bin", "empty"], "what was collected is kept");
    assert_eq!(finished.output_text("a/model.bin").as_deref(), Some("model"));
}

#[test]
fn faults() {
    let all = ["outputs/a/model.bin", "outputs/empty"];
    check(&TestSink::new(), &all, 1, 0, None);
    let (most, waited) = patience();
    let end = format!("503 (after {most} attempts)");
    check(&TestSink::failing("503"), &[], most, waited, Some(&end));
    check(&TestSink::new().failing_times(2, "503"), &all, 3, 1_500, None);
    check(&TestSink::new().failing_times(most - 1, "503"), &all, most, waited, None);
    check(&TestSink::new().failing_times(most, "503"), &[], most, waited, Some(&end));
    check(&TestSink::refusing("403"), &[], 1, 0, Some("403"));
    // The empty file has no byte that could stall, only an answer, whose limit is longer. The sink is given up when the
    // other file has used up its attempts; the fourth attempt at this one, which goes on then, comes to its end.
    let stall = format!("no byte was sent for 1m (after {most} attempts)");
    check(&TestSink::stalling(), &[], most, 4 * 300_000 + 3_500, Some(&stall));
    check(&TestSink::slow(HOUR), &all, 1, 3_600_000, None);
}

#[test]
fn faults_of_one_file() {
    let other = ["outputs/empty"];
    let all = ["outputs/a/model.bin", "outputs/empty"];
    let (most, waited) = patience();
    let fails = TestSink::new().failing_for("a/model.bin", "503");
    check(&fails, &other, most, waited, Some("503"));
    check(&TestSink::new().refusing_for("outputs/a/model.bin", "403"), &other, 1, 0, Some("403"));
    let stalls = TestSink::new().stalling_for("a/model.bin");
    check(&stalls, &other, most, most as u64 * 60_000 + waited, Some("no byte"));
    check(&TestSink::new().slow_for("a/model.bin", 30 * SECOND), &all, 1, 30_000, None);
    let recovers = TestSink::refusing("403").failing_times_for("a/model.bin", 1, "503");
    assert_eq!(deliver(&recovers).status(), EndStatus::Failed);
    assert_eq!((recovers.files(), recovers.attempts("a/model.bin")), (vec![all[0].to_owned()], 2));
}

#[test]
fn a_sink_that_fails_hurts_no_other() {
    let (good, bad) = (TestSink::new(), TestSink::refusing("403"));
    let finished = TestRun::of("kit_writes_two").sink(&good).sink(&bad).run();
    assert_eq!(finished.failure().kind, FailureKind::OutputsIncomplete);
    assert_eq!(good.file("a/model.bin"), Some(b"model".to_vec()));
    assert_eq!((good.files().len(), bad.files().len()), (2, 0));
    let delivered: Vec<_> = finished.outcome().sinks.iter().map(|sink| sink.delivered).collect();
    assert_eq!(delivered, [2, 0]);
    let manifest = bad.manifest().unwrap();
    assert!(manifest.files.iter().all(|file| file.deliveries[0].state.is_failed()));
}

#[test]
fn no_more_time_than_there_is_for_delivery() {
    let limits = Limits { upload: 20 * SECOND, ..Limits::default() };
    let sink = TestSink::failing("503");
    let finished = TestRun::of("kit_writes_two").limits(limits).sink(&sink).run();
    // Attempts at 0, 0.5, 1.5, 3.5, 7.5 and 15.5 seconds; the next would be too late.
    assert_eq!(sink.attempts("a/model.bin"), 6);
    assert_eq!(finished.elapsed(Phase::Upload), Some(Duration::from_millis(15_500)));
}

#[test]
fn a_checkpoint_is_delivered_before_the_job_fails() {
    let sink = TestSink::new();
    let finished = TestRun::of("kit_fails_late").sink(&sink).live_delivery().run();
    assert_eq!(finished.failure().kind, FailureKind::Panic);
    let place = finished.failure().location.as_deref().unwrap();
    assert!(place.contains("testing/kit/tests.rs:"), "{place}");
    assert_eq!(sink.file("outputs/checkpoint.bin"), Some(vec![7; 100]));
    assert_eq!(sink.attempts("checkpoint.bin"), 1, "it is not sent again");
    let place = |found: &dyn Fn(&RunEvent) -> bool| {
        finished.events().iter().position(|event| found(&event.what)).unwrap()
    };
    let arrived = place(&|event| matches!(event, RunEvent::File { kind: FileKind::Output, .. }));
    let done = place(&|event| *event == RunEvent::Status { status: Status::ExecutionDone });
    assert!(arrived < done);
}

/// Writes a file long before it ends.
#[job]
async fn kit_writes_early(ctx: JobContext) -> Result<(), JobError> {
    std::fs::write(ctx.output_dir().join("checkpoint.bin"), "checkpoint")?;
    tokio::time::sleep(HOUR).await;
    Ok(())
}

/// The warnings of a run with live delivery, before the job had ended.
#[track_caller]
fn warnings_of_live_delivery(sink: &TestSink) -> Vec<String> {
    let finished = TestRun::of("kit_writes_early").sink(sink).live_delivery().run();
    let is_before = |event: &RunEvent| *event != RunEvent::Status { status: Status::ExecutionDone };
    let events = finished.events().iter().map(|event| &event.what);
    let warnings = events.take_while(|event| is_before(event)).filter_map(|event| match event {
        RunEvent::Warning { message } => Some(message.clone()),
        _ => None,
    });
    warnings.collect()
}

#[test]
fn a_checkpoint_that_is_tried_again() {
    let sink = TestSink::new().failing_times_for("checkpoint.bin", 3, "503");
    let expected =
        ["attempt 1 failed, the next one is in 5s", "attempt 3 failed, the next one is in 20s"]
            .map(|again| format!("delivering `checkpoint.bin` to test-sink: 503; {again}"));
    assert_eq!(warnings_of_live_delivery(&sink), expected, "at most one in ten seconds");
    assert_eq!(sink.attempts("checkpoint.bin"), 4);
}

#[test]
fn a_checkpoint_that_is_refused() {
    let sink = TestSink::new().refusing_for("checkpoint.bin", "403");
    let expected =
        "delivering `checkpoint.bin` to test-sink: 403; it is tried again at the end of the run";
    assert_eq!(warnings_of_live_delivery(&sink), [expected]);
    assert_eq!(sink.attempts("checkpoint.bin"), 2, "once more at the end");
}

#[test]
fn what_must_not_leave_stays() {
    let sink = TestSink::new();
    let finished = TestRun::of("kit_copies").input("a/b.txt", "secret").sink(&sink).run();
    assert_eq!(finished.outputs(), ["b.txt"]);
    assert_eq!((sink.files().len(), sink.attempts("b.txt")), (0, 0));
}
