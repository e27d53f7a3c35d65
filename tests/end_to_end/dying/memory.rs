//! The memory limit, in both of its forms: by cgroup, and by address space where there is none.

use std::process::Command;

use chutes::EndStatus;
use chutes::outcome::{FailureKind, Phase};
use chutes_test_support::leftovers::assert_nothing_left;
use chutes_test_support::machine::cover;
use chutes_test_support::{Finished, Sandbox, finish};

use crate::expected::{COMPLETED, Expected, NO_HOOKS, check_finished};
use crate::programs::new_sandbox;

/// What a run without a cgroup says about its limit.
const ADDRESS_SPACE: &str =
    "holds for the address space of each process of the job, not for all of them together: ";

const EATS_300_MB: &str = r#"{"memory":300}"#;

/// Runs the job `dies` with a memory limit.
#[track_caller]
fn run(mut command: Command, sandbox: &Sandbox) -> Finished {
    command.args(["--json"]);
    let finished = finish(command);
    assert_nothing_left(sandbox, &finished.outcome());
    finished
}

fn arguments<'a>(way: &'a str, limit: &'a str) -> [&'a str; 6] {
    ["run", "dies", "--data", way, "--memory-limit", limit]
}

/// Which form the limit has depends on the machine, and the outcome says which it was.
#[track_caller]
fn check_beyond(finished: &Finished, limit: &str) {
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    let by_address_space = outcome.warnings.iter().any(|one| one.contains(ADDRESS_SPACE));
    let signal = if by_address_space { "SIGABRT" } else { "SIGKILL" };
    assert_eq!(outcome.status(), EndStatus::Failed, "{finished:#?}");
    assert_eq!(failure.kind, FailureKind::MemoryLimit, "{finished:#?}");
    assert_eq!(failure.message, format!("the job needed more memory than its limit of {limit}"));
    assert_eq!(failure.worker_signal.as_deref(), Some(signal));
    assert_eq!(finished.code, Some(1));
    assert_eq!(chutes_test_support::record::collected(&outcome), ["partial.txt"]);
}

#[test]
fn too_much() {
    let sandbox = new_sandbox();
    let finished = run(sandbox.command(&arguments(EATS_300_MB, "64MB")), &sandbox);
    check_beyond(&finished, "64.0 MB");
}

#[test]
fn enough() {
    let sandbox = new_sandbox();
    let finished = run(sandbox.command(&arguments(r#"{"memory":20}"#, "2GB")), &sandbox);
    assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
}

/// Without the option there is no limit.
#[test]
fn no_limit() {
    crate::expected::check(EATS_300_MB, "", &COMPLETED);
}

/// The kernel ends the process that needs too much. When it is a child of the job, the job gets an error.
#[test]
fn too_much_in_a_child() {
    let sandbox = new_sandbox();
    let script = "head -c 300000000 /dev/zero | tail";
    let way = serde_json::json!({ "shell": script }).to_string();
    let finished = run(sandbox.command(&arguments(&way, "200MB")), &sandbox);
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::JobError, "{finished:#?}");
    assert!(failure.message.starts_with("the shell ended: "), "{failure:?}");
}

/// Starts the job binary where no cgroup can be made.
fn without_cgroup(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let cover = cover("/sys/fs/cgroup");
    let wrapper: Vec<_> = cover.iter().map(String::as_str).collect();
    sandbox.wrapped(&wrapper, arguments)
}

#[test]
fn too_much_without_a_cgroup() {
    let sandbox = new_sandbox();
    let finished = run(without_cgroup(&sandbox, &arguments(EATS_300_MB, "600MB")), &sandbox);
    assert_eq!(finished.outcome().status(), EndStatus::Completed, "{finished:#?}");
    let more = r#"{"memory":700}"#;
    let finished = run(without_cgroup(&sandbox, &arguments(more, "600MB")), &sandbox);
    let outcome = finished.outcome();
    assert!(outcome.warnings[2].contains(ADDRESS_SPACE), "{finished:#?}");
    check_beyond(&finished, "600.0 MB");
}

/// The outcome of a job that survives warns that its limit is not quite the requested one.
#[test]
fn enough_without_a_cgroup() {
    let sandbox = new_sandbox();
    let finished = run(without_cgroup(&sandbox, &arguments(r#""value""#, "4GB")), &sandbox);
    let outcome = finished.outcome();
    assert_eq!(outcome.status(), EndStatus::Completed, "{finished:#?}");
    let [warning] = &outcome.warnings[..] else { panic!("{finished:#?}") };
    assert!(warning.starts_with("the memory limit of 4.0 GB ") && warning.contains(ADDRESS_SPACE));
}

/// Too little memory for the worker to start is reported, and is no platform failure.
#[test]
fn next_to_nothing() {
    let sandbox = new_sandbox();
    // A job that needs no memory could even complete when the worker has started before the limit is set.
    let finished = run(without_cgroup(&sandbox, &arguments(EATS_300_MB, "1MB")), &sandbox);
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap_or_else(|| panic!("{finished:#?}"));
    assert_eq!((finished.code, failure.kind), (Some(1), FailureKind::MemoryLimit), "{finished:#?}");
    // How far it gets is not determined.
    let messages =
        ["the worker could not start with its memory limit: ", "the job needed more memory"];
    assert!(messages.iter().any(|one| failure.message.starts_with(one)), "{failure:?}");
    if failure.phase != Some(Phase::Execute) {
        assert_eq!(failure.phase, Some(Phase::Start));
        assert_eq!(outcome.outputs, []);
    }
}

/// Without a cgroup the job dies as surely as with one.
#[test]
fn killed_without_a_cgroup() {
    let sandbox = new_sandbox();
    let way = r#"{"signal":9}"#;
    let finished = run(without_cgroup(&sandbox, &["run", "dies", "--data", way]), &sandbox);
    let expected = Expected {
        status: EndStatus::Failed,
        kind: Some(FailureKind::Killed),
        signal: Some("SIGKILL"),
        message: "the job's process was killed by SIGKILL",
        warnings: &NO_HOOKS,
        ..COMPLETED
    };
    check_finished(&finished, way, &expected);
}
