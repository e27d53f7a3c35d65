//! Whole runs with the kit: its clock, its sinks, and its messages about wrong use.

mod delivery;
mod misuse;

use std::path::Path;
use std::thread;
use std::time::Duration;

use chutes_core::{EndStatus, Phase, RunEvent, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{TestRun, TestSink};
use crate::{JobContext, JobError, job};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// Sleeps for as many seconds as its data says, and writes the number into a file before.
#[job]
async fn kit_sleeps(ctx: JobContext, seconds: u64) -> Result<u64, JobError> {
    std::fs::write(ctx.output_dir().join("seconds.txt"), seconds.to_string())?;
    sleep(Duration::from_secs(seconds)).await;
    Ok(seconds)
}

/// Trains one epoch a minute until it is asked to stop, and then takes as long as its data says.
#[job(timeout = "2h")]
async fn kit_trains(ctx: JobContext, last_seconds: u64) -> Result<u32, JobError> {
    let mut epoch = 0;
    while epoch < 100 && !ctx.is_cancelled() {
        epoch += 1;
        let path = ctx.output_dir().join(format!("checkpoints/{epoch}.bin"));
        std::fs::create_dir_all(ctx.output_dir().join("checkpoints"))?;
        std::fs::write(path, [1, 2, 3])?;
        ctx.progress(f64::from(epoch) / 100.0, format!("epoch {epoch}"));
        let minute = sleep(Duration::from_mins(1));
        ctx.cancellation().run_until_cancelled(minute).await;
    }
    sleep(Duration::from_secs(last_seconds)).await;
    Ok(epoch)
}

/// Uses threads, files and sockets, which a virtual clock does not control.
#[job(ports = [tcp("echo", 9000)])]
async fn kit_works(ctx: JobContext) -> Result<String, JobError> {
    thread::sleep(Duration::from_millis(20));
    let file = ctx.scratch_dir().join("work.txt");
    let work = || thread::sleep(Duration::from_millis(20));
    tokio::task::spawn_blocking(work).await?;
    tokio::fs::write(&file, "hello").await?;
    let listener = ctx.port("echo")?.bind_tcp().await?;
    let client = tokio::spawn(TcpStream::connect(listener.local_addr()?));
    let (mut server, _) = listener.accept().await?;
    server.write_all(&tokio::fs::read(&file).await?).await?;
    drop(server);
    let mut text = String::new();
    client.await??.read_to_string(&mut text).await?;
    Ok(text)
}

/// Reads a file of its inputs.
#[job(upload = false)]
async fn kit_copies(ctx: JobContext) -> Result<(), JobError> {
    std::fs::copy(ctx.input_dir().join("a/b.txt"), ctx.output_dir().join("b.txt"))?;
    Ok(())
}

/// Writes a checkpoint, and panics an hour later.
#[job]
async fn kit_fails_late(ctx: JobContext) -> Result<(), JobError> {
    std::fs::write(ctx.output_dir().join("checkpoint.bin"), [7; 100])?;
    sleep(HOUR).await;
    panic!("out of luck");
}

#[test]
fn hours_pass_at_once_and_are_measured_exactly() {
    let finished = TestRun::of("kit_sleeps").data(3 * 3_600).run();
    finished.assert_completed();
    assert_eq!(finished.elapsed(Phase::Execute), Some(3 * HOUR));
    assert_eq!(finished.took(), 3 * HOUR);
    assert_eq!(finished.result::<u64>(), 3 * 3_600);
    assert_eq!(finished.output_text("seconds.txt").as_deref(), Some("10800"));
    let heartbeats = finished.events().iter();
    let heartbeats =
        heartbeats.filter(|event| matches!(event.what, RunEvent::Heartbeat { .. })).count();
    assert!((1_079..=1_080).contains(&heartbeats), "{heartbeats} in three hours");
}

#[test]
fn a_job_may_block_and_use_files_and_sockets() {
    for run in [TestRun::of("kit_works"), TestRun::of("kit_works").real_time()] {
        let finished = run.run();
        assert_eq!(finished.assert_completed().result::<String>(), "hello");
    }
}

#[test]
fn work_on_other_threads_takes_no_time() {
    let finished = TestRun::of("kit_copies").input("a/b.txt", "x".repeat(1_000_000)).run();
    finished.assert_completed();
    assert_eq!(finished.took(), Duration::ZERO);
    assert_eq!(finished.output("b.txt").map(|content| content.len()), Some(1_000_000));
}

/// Checks how a training ends, with which result, and after which time.
#[track_caller]
fn check(run: TestRun, expected: EndStatus, epochs: Option<u32>, seconds: u64) {
    let finished = run.run();
    assert_eq!(finished.status(), expected, "{finished:?}");
    assert_eq!(finished.outcome().result.is_some(), epochs.is_some());
    if let Some(epochs) = epochs {
        assert_eq!(finished.result::<u32>(), epochs);
        assert!(finished.output(&format!("checkpoints/{epochs}.bin")).is_some());
        assert_eq!(finished.outputs().len(), epochs as usize);
        assert_eq!(finished.progress().len(), epochs as usize);
    }
    assert_eq!(finished.took(), Duration::from_secs(seconds));
    assert_eq!(finished.statuses().last().and_then(|status| status.end()), Some(expected));
}

#[test]
fn runs_that_are_stopped() {
    let run = |last: u64| TestRun::of("kit_trains").data(last);
    check(run(0), EndStatus::Completed, Some(100), 6_000);
    // At the limit of 90 seconds the job is in its second epoch; 5 seconds are within its grace, 6 are not.
    let limited = |last| run(last).time_limit(90 * SECOND).grace(5 * SECOND);
    check(limited(4), EndStatus::TimedOut, Some(2), 94);
    check(limited(6), EndStatus::TimedOut, None, 95);
    check(run(10).cancel_after(HOUR + SECOND), EndStatus::Cancelled, Some(61), 3_611);
    check(run(10).cancel_at_progress(0.5), EndStatus::Cancelled, Some(50), 49 * 60 + 10);
    // The second signal ends the grace; without a first signal it acts as both.
    let twice = run(10).cancel_after(90 * SECOND).cancel_now_after(92 * SECOND);
    check(twice, EndStatus::Cancelled, None, 92);
    check(run(0).cancel_now_after(90 * SECOND), EndStatus::Cancelled, None, 90);
    // A request after the end changes nothing.
    check(run(0).cancel_after(2 * HOUR), EndStatus::Completed, Some(100), 6_000);
}

#[test]
fn a_run_that_is_cancelled_before_it_starts_has_started_nothing() {
    let finished = TestRun::of("kit_trains").data(0).cancel_after(Duration::ZERO).run();
    assert_eq!(finished.status(), EndStatus::Cancelled);
    assert_eq!(finished.took(), Duration::ZERO);
    assert!(!finished.statuses().contains(&Status::Completed));
}

#[test]
fn runs_in_parallel_threads_do_not_see_each_other() {
    let long = thread::spawn(|| TestRun::of("kit_sleeps").data(86_400).run());
    let short = thread::spawn(|| {
        let run = TestRun::of("kit_sleeps").data(1_000).cancel_after(10 * SECOND);
        run.grace(Duration::ZERO).run()
    });
    // All of them listen on the same port at the same time.
    let ports: Vec<_> = (0..4).map(|_| thread::spawn(|| TestRun::of("kit_works").run())).collect();
    let (long, short) = (long.join().unwrap(), short.join().unwrap());
    assert_eq!((long.status(), long.took()), (EndStatus::Completed, 24 * HOUR));
    assert_eq!((short.status(), short.took()), (EndStatus::Cancelled, 10 * SECOND));
    assert_ne!(long.directory(), short.directory());
    assert_eq!(long.output_text("seconds.txt").as_deref(), Some("86400"));
    assert_eq!(short.output_text("seconds.txt").as_deref(), Some("1000"));
    for finished in ports {
        finished.join().unwrap().assert_completed();
    }
}

#[test]
fn a_run_can_be_repeated() {
    let sink = TestSink::new();
    let run = TestRun::of("kit_sleeps").data(1).sink(&sink);
    let (first, second) = (run.clone().run(), run.run());
    assert_ne!(first.outcome().run_id, second.outcome().run_id);
    assert_eq!(sink.attempts("seconds.txt"), 2);
}

#[test]
fn the_directory_is_removed_unless_it_is_kept() {
    let finished = TestRun::of("kit_sleeps").data(1).run();
    let (directory, parent) = (finished.directory().to_owned(), parent(finished.directory()));
    assert!(directory.join("run.jsonl").is_file() && directory.join("manifest.json").is_file());
    drop(finished);
    assert!(!parent.exists());

    let directory = TestRun::of("kit_sleeps").data(1).keep().run().directory().to_owned();
    assert!(directory.join("outputs/seconds.txt").is_file());
    std::fs::remove_dir_all(self::parent(&directory)).unwrap();
}

fn parent(directory: &Path) -> std::path::PathBuf {
    directory.parent().unwrap().to_owned()
}
