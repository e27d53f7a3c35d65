//! Forms of `main` around `chutes::main()`: within a runtime, and after arguments were parsed.

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
