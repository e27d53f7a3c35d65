//! Forms of `main` around `chutes::main()`: within a runtime, after arguments were parsed, with a subscriber.

use std::collections::BTreeSet;

use chutes::EndStatus;
use chutes::outcome::FailureKind;
use chutes_test_support::{Finished, Sandbox, finish};

use crate::programs::new_sandbox;

/// Runs a job of a program with this form of `main`.
fn run(sandbox: &Sandbox, form: &str) -> Finished {
    let mut command = sandbox.command(&["run", "writes_a_huge_file", "--data", "1", "--json"]);
    command.env("TEST_MAIN", form);
    finish(command)
}

#[test]
fn within_a_runtime() {
    let sandbox = new_sandbox();
    let finished = run(&sandbox, "async");
    assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
}

#[test]
fn after_arguments_were_parsed() {
    let sandbox = new_sandbox();
    let finished = run(&sandbox, "parses");
    assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
}

/// The worker ends in `main`, which is a fault of the program and is named.
#[test]
fn the_worker_never_comes_to_its_work() {
    let sandbox = new_sandbox();
    let finished = run(&sandbox, "parses_always");
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    assert_eq!((finished.code, failure.kind), (Some(1), FailureKind::Exited), "{finished:#?}");
    assert!(failure.message.contains("before it came to `chutes::main()`"), "{finished:#?}");
    assert!(failure.message.contains("`chutes::is_worker()`"), "{finished:#?}");
}

/// Runs the job that logs; its log is below the directory `run`.
fn logs(sandbox: &Sandbox, form: &str, way: &str) -> Finished {
    let data = format!("{way:?}");
    let mut command =
        sandbox.command(&["run", "logs", "--data", &data, "--run-dir", "run", "--json"]);
    command.env("TEST_MAIN", form);
    finish(command)
}

fn log_of(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("run/logs/stderr.log")).unwrap()
}

/// What a program sets in `main` is kept, and what the job logs is in its format.
#[test]
fn own_subscriber_in_main() {
    for (form, expected) in [("subscriber", true), ("", false)] {
        let sandbox = new_sandbox();
        let finished = logs(&sandbox, form, "given");
        assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
        let log = log_of(&sandbox);
        assert!(log.ends_with("an event of the job\n"), "{log}");
        assert_eq!(log == " INFO an event of the job\n", expected, "{log}");
    }
}

/// It comes too late, which the failure explains.
#[test]
fn own_subscriber_in_the_job() {
    for (way, kind) in [("tried", FailureKind::JobError), ("set", FailureKind::Panic)] {
        let sandbox = new_sandbox();
        let finished = logs(&sandbox, "", way);
        let outcome = finished.outcome();
        let failure = outcome.ending.failure().unwrap();
        assert_eq!((finished.code, failure.kind), (Some(1), kind), "{finished:#?}");
        assert!(failure.message.contains("dispatcher has already been set"), "{finished:#?}");
        let [cause] = &failure.causes[..] else { panic!("{finished:#?}") };
        assert!(cause.contains("set your own in `main`, before `chutes::main()`"), "{cause}");
        // Of one that the program has set itself chutes knows nothing.
        let sandbox = new_sandbox();
        let finished = logs(&sandbox, "subscriber", way);
        let outcome = finished.outcome();
        assert!(outcome.ending.failure().unwrap().causes.is_empty(), "{finished:#?}");
    }
}

/// A job that does not depend on its own subscriber goes on with the one that is set.
#[test]
fn own_subscriber_only_offered() {
    let sandbox = new_sandbox();
    let finished = logs(&sandbox, "", "offered");
    assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
    let log = log_of(&sandbox);
    assert_eq!(log.matches("an event of the job").count(), 1, "{log}");
}

/// No event is lost, even when several threads come to the first one of the process at the same time: there is a
/// subscriber before there are threads.
#[test]
fn first_events_of_all_threads() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run logs_at_once --data 8 --run-dir run --json");
    assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
    let log = log_of(&sandbox);
    let numbers = log.lines().filter_map(|line| line.split("an event of thread ").nth(1));
    let numbers: BTreeSet<&str> = numbers.collect();
    assert_eq!(numbers, BTreeSet::from(["1", "2", "3", "4", "5", "6", "7", "8"]), "{log}");
    assert_eq!(log.lines().count(), 8, "{log}");
}
