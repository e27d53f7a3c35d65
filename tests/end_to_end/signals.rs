//! Signals: how a run is cancelled, how urgently, and what does not cancel it.

use std::time::Duration;

use chutes::{FailureKind, Outcome};
use rustix::process::{Pid, Signal};

use crate::record::{collected, not_collected};
use crate::support::{Running, Sandbox, start, unshare};

/// Starts a job with the dispositions of signals that a login shell gives, whoever runs the tests.
fn start_ordinary(sandbox: &Sandbox, arguments: &str) -> Running {
    let wrapper = ["env", "--default-signal=INT,TERM,HUP"];
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    start(sandbox.wrapped(&wrapper, &[&["run"], &arguments[..], &["--json"]].concat()))
}

/// Ends the run and checks that it was cancelled.
#[track_caller]
fn finish_cancelled(running: Running, message: &str, outputs: &[&str]) -> Outcome {
    let finished = running.finish();
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), "cancelled");
    let failure = outcome.ending.failure().unwrap();
    assert_eq!((failure.kind, &*failure.message), (FailureKind::Cancelled, message));
    assert_eq!(finished.errors(), [format!("error: {message}")]);
    assert_eq!(collected(&outcome), outputs);
    outcome
}

/// The job is told once, and has the time to end by itself.
#[test]
fn once() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::new();
        let mut running = start_ordinary(&sandbox, "stops_when_told");
        running.wait_for("ready");
        running.signal(signal);
        running.wait_for("stopping: the run was cancelled; the job has 30s to end");
        let outputs = ["last.txt", "partial.txt"];
        let outcome = finish_cancelled(running, "the run was cancelled", &outputs);
        assert_eq!(outcome.result.unwrap().as_str(), "\"stopped in time\"", "{signal:?}");
    }
}

#[test]
fn grace_is_enforced() {
    let sandbox = Sandbox::new();
    let mut running = start_ordinary(&sandbox, "ignores_cancellation --grace 1");
    running.wait_for("ready");
    running.signal(Signal::TERM);
    let message =
        "the run was cancelled; the job did not end within its grace of 1s and was stopped";
    finish_cancelled(running, message, &["partial.txt"]);
}

/// Twice means at once: the grace of an hour is not waited for, shutdown hooks are left out.
#[test]
fn twice() {
    for (first, second) in
        [(Signal::INT, Signal::INT), (Signal::TERM, Signal::TERM), (Signal::HUP, Signal::TERM)]
    {
        let sandbox = Sandbox::new();
        let mut running = start_ordinary(&sandbox, "ignores_cancellation --grace 1h");
        running.wait_for("ready");
        running.signal(first);
        running.wait_for("stopping: the run was cancelled; the job has 1h to end");
        running.signal(second);
        let message = "the run was cancelled; the job was stopped at once";
        let outcome = finish_cancelled(running, message, &["partial.txt"]);
        let skipped = ["stop_first", "stop_last"]
            .map(|name| format!("shutdown hook `{name}` was skipped: the run had to end at once"));
        assert_eq!(outcome.warnings, skipped);
    }
}

/// A terminal that is closed tells so more than once; that is no reason to hurry.
#[test]
fn hangup_twice() {
    let sandbox = Sandbox::new();
    let mut running = start_ordinary(&sandbox, "waits_for_a_file --run-dir run");
    running.wait_for("ready");
    running.signal(Signal::HUP);
    running.wait_for("stopping: the run was cancelled; the job has 30s to end");
    running.signal(Signal::HUP);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    finish_cancelled(running, "the run was cancelled", &[]);
}

/// Whoever asks again and again does not wait for the outputs either: collecting is given up, and
/// the outcome says what is missing.
#[test]
fn again_and_again() {
    let sandbox = Sandbox::new();
    // More than can be read in a day.
    let mut running = start_ordinary(&sandbox, "writes_a_huge_file --data 8000000000000");
    running.wait_for("ready");
    let finished = running.finish_watched(Duration::from_millis(100), |pid| {
        rustix::process::kill_process(pid, Signal::INT).unwrap();
    });
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(collected(&outcome), ["good.txt"]);
    let expected = [("huge.bin", "collecting was stopped within this file")];
    assert_eq!(not_collected(&outcome), expected);
}

#[test]
fn during_startup() {
    let sandbox = Sandbox::new();
    let mut running =
        start_ordinary(&sandbox, r#"uses_state --data ["startup_hangs"] --grace 1 --run-dir run"#);
    running.wait_for("starting up");
    running.signal(Signal::TERM);
    let message = "the run was cancelled; startup hook `start_last` did not end within its grace of 1s and was stopped";
    let outcome = finish_cancelled(running, message, &[]);
    assert_eq!(outcome.ending.failure().unwrap().phase.unwrap().as_str(), "start");
    let notes = std::fs::read_to_string(sandbox.path("run/scratch/hooks.txt")).unwrap();
    assert_eq!(notes, "start -1\nstart 50\nstart 90\nstop 90\nstop 50\n");
}

/// As soon as a run says that it goes on, it can be cancelled; it is never simply killed.
#[test]
fn at_the_very_beginning() {
    for _ in 0..25 {
        let sandbox = Sandbox::new();
        let mut running = start_ordinary(&sandbox, "stops_when_told");
        running.wait_for("running `stops_when_told` in ");
        running.signal(Signal::TERM);
        let finished = running.finish();
        assert_eq!(finished.code, Some(130), "{finished:#?}");
        finished.outcome();
    }
}

/// A job that has finished stays finished when the cancel comes while a shutdown hook runs.
#[test]
fn after_the_job() {
    let sandbox = Sandbox::new();
    let data = r#"uses_state --data ["shutdown_waits","shutdown_writes"]"#;
    let mut running = start_ordinary(&sandbox, data);
    running.wait_for("shutting down");
    running.signal(Signal::INT);
    let finished = running.finish();
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), "completed");
    assert_eq!(outcome.warnings, [""; 0]);
    assert_eq!(collected(&outcome), ["from-hook.txt"]);
}

/// The second cancel ends shutdown hooks, too; what the job did is still kept.
#[test]
fn after_the_job_twice() {
    let sandbox = Sandbox::new();
    let data = r#"uses_state --data ["shutdown_hangs"] --grace 1h"#;
    let mut running = start_ordinary(&sandbox, data);
    running.wait_for("shutting down");
    // Two of one kind might become one on their way.
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    let finished = running.finish();
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), "completed");
    assert_eq!(
        outcome.warnings,
        [
            "shutdown hook `stop_first` did not end in time and was stopped",
            "shutdown hook `stop_last` was skipped: the run had to end at once",
        ]
    );
}

#[test]
fn hangup_under_nohup() {
    let sandbox = Sandbox::new();
    let arguments = ["run", "waits_for_a_file", "--run-dir", "run", "--json"];
    let mut running = start(sandbox.wrapped(&["nohup"], &arguments));
    running.wait_for("ready");
    running.signal(Signal::HUP);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(finished.outcome().status().to_string(), "completed");
    assert!(!finished.stderr.contains("stopping:"), "{finished:#?}");
}

/// A shell without job control starts its background processes with SIGINT ignored. Who sends the
/// signal to the run itself means it nevertheless.
#[test]
fn interrupt_that_was_ignored() {
    let sandbox = Sandbox::new();
    let wrapper = ["env", "--ignore-signal=INT"];
    let arguments = ["run", "stops_when_told", "--json"];
    let mut running = start(sandbox.wrapped(&wrapper, &arguments));
    running.wait_for("ready");
    running.signal(Signal::INT);
    finish_cancelled(running, "the run was cancelled", &["last.txt", "partial.txt"]);
}

/// In a container the run is process 1, for which the kernel drops signals that have no handler.
#[test]
fn as_process_1() {
    for signal in [Signal::INT, Signal::TERM] {
        let sandbox = Sandbox::new();
        let wrapper = unshare(&["--pid", "--fork", "--mount-proc", "--kill-child"]);
        let arguments = ["run", "stops_when_told", "--json"];
        let mut running = start(sandbox.wrapped(&wrapper, &arguments));
        running.wait_for("ready");
        let inner = child_of(running.pid());
        let status = std::fs::read_to_string(format!("/proc/{}/status", inner.as_raw_nonzero()));
        let status = status.unwrap();
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
        assert_eq!(ids.split_whitespace().last(), Some("1"), "{status}");
        rustix::process::kill_process(inner, signal).unwrap();
        finish_cancelled(running, "the run was cancelled", &["last.txt", "partial.txt"]);
    }
}

/// The only child of a process.
fn child_of(parent: Pid) -> Pid {
    let parent = format!("PPid:\t{}", parent.as_raw_nonzero());
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut children = ids.filter(|id| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line == parent)
    });
    Pid::from_raw(children.next().unwrap()).unwrap()
}
