//! Startup and shutdown hooks: their order, their state, and what happens when they fail.

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::Finished;
use chutes_test_support::record::{collected, statuses};

use crate::programs::new_sandbox;

/// One run of the job whose data says how the hooks behave.
struct HookRun {
    finished: Finished,
    outcome: Outcome,
    /// What the hooks and the job recorded.
    notes: Vec<String>,
    statuses: Vec<String>,
}

#[track_caller]
fn run(behaviour: &[&str], options: &str) -> HookRun {
    let sandbox = new_sandbox();
    let data = serde_json::to_string(behaviour).unwrap();
    let finished = sandbox.run(&format!("run uses_state --data {data} --json {options}"));
    let outcome = finished.outcome();
    let root = std::path::Path::new(&outcome.run_dir);
    let notes = std::fs::read_to_string(root.join("scratch/hooks.txt")).unwrap();
    let notes = notes.lines().map(String::from).collect();
    let statuses = statuses(root);
    HookRun { finished, outcome, notes, statuses }
}

const ALL_NOTES: [&str; 6] = ["start -1", "start 50", "start 90", "job", "stop 90", "stop 50"];

#[test]
fn order_and_state() {
    let run = run(&[], "");
    assert_eq!(run.notes, ALL_NOTES);
    assert_eq!(run.outcome.result.unwrap().as_str(), "\"hello\"");
    assert_eq!(run.outcome.warnings, [""; 0]);
}

#[test]
fn missing_state() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run wants_missing_state --json");
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(1));
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::JobError);
    assert_eq!(failure.message, "no startup hook provides a `u32`");
}

/// The job is not started, and shutdown hooks still run.
#[track_caller]
fn check_startup(behaviour: &str, kind: FailureKind, message: &str) {
    let run = run(&[behaviour, "shutdown_writes"], "");
    assert_eq!(run.finished.code, Some(1), "{:#?}", run.finished);
    assert_eq!(run.outcome.status().to_string(), "failed");
    let failure = run.outcome.ending.failure().unwrap();
    assert_eq!((failure.kind, failure.phase.unwrap().as_str()), (kind, "start"));
    assert_eq!(failure.message, message);
    assert_eq!(run.finished.errors(), [format!("error: job `uses_state` failed: {message}")]);
    assert_eq!(run.notes, ["start -1", "start 50", "start 90", "stop 90", "stop 50"]);
    assert_eq!(run.statuses, ["received", "accepted"]);
    let phases: Vec<_> = run.outcome.phases.iter().map(|report| report.phase.as_str()).collect();
    assert_eq!(phases, ["start", "upload"]);
    assert_eq!(collected(&run.outcome), ["from-hook.txt"]);
}

#[test]
fn startup_hook_fails() {
    let message = "startup hook `start_last` failed: no device";
    check_startup("startup_fails", FailureKind::StartupFailed, message);
}

#[test]
fn startup_hook_panics() {
    let source = include_str!("../../jobs/hooks.rs");
    let line = source.lines().position(|line| line.contains("no device at all")).unwrap() + 1;
    let message = format!(
        "startup hook `start_last` panicked at tests/jobs/hooks.rs:{line}:5: no device at all"
    );
    check_startup("startup_panics", FailureKind::Panic, &message);
}

/// The run completes with a warning, and the other shutdown hooks still run.
#[track_caller]
fn check_shutdown(behaviour: &str, options: &str, warning: &str) {
    let run = run(&[behaviour, "shutdown_writes"], options);
    assert_eq!(run.finished.code, Some(0), "{:#?}", run.finished);
    assert_eq!(run.outcome.status().to_string(), "completed");
    assert_eq!(run.outcome.warnings, [warning]);
    assert_eq!(run.finished.warnings(), [format!("warning: {warning}")]);
    assert_eq!(run.notes, ALL_NOTES);
    assert_eq!(collected(&run.outcome), ["from-hook.txt"]);
}

#[test]
fn shutdown_hook_fails() {
    check_shutdown("shutdown_fails", "", "shutdown hook `stop_first` failed: cannot close");
}

#[test]
fn shutdown_hook_panics() {
    let source = include_str!("../../jobs/hooks.rs");
    let line = source.lines().position(|line| line.contains("cannot close at all")).unwrap() + 1;
    let warning = format!(
        "shutdown hook `stop_first` panicked at tests/jobs/hooks.rs:{line}:5: cannot close at all"
    );
    check_shutdown("shutdown_panics", "", &warning);
}

#[test]
fn shutdown_hook_hangs() {
    let warning = "shutdown hook `stop_first` did not end in time and was stopped";
    check_shutdown("shutdown_hangs", "--grace 1", warning);
}
