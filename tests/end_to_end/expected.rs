//! How a run of the job `dies` is expected to end.

use std::path::Path;

use chutes::outcome::FailureKind;
use chutes::{EndStatus, Outcome};
use chutes_test_support::leftovers::assert_nothing_left;
use chutes_test_support::record::{collected, statuses};
use chutes_test_support::{Finished, finish};

use crate::programs::new_sandbox;

/// The warnings about shutdown hooks when the job has ended its process.
pub(crate) const NO_HOOKS: [&str; 2] = [
    "shutdown hook `stop_first` was skipped: its process was gone",
    "shutdown hook `stop_last` was skipped: its process was gone",
];

/// What is expected of a run of the job `dies`.
pub(crate) struct Expected {
    pub(crate) status: EndStatus,
    pub(crate) kind: Option<FailureKind>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<&'static str>,
    /// A part of the message of the failure.
    pub(crate) message: &'static str,
    /// A part of the first cause of the failure.
    pub(crate) cause: Option<&'static str>,
    pub(crate) warnings: &'static [&'static str],
}

pub(crate) const COMPLETED: Expected = Expected {
    status: EndStatus::Completed,
    kind: None,
    exit_code: None,
    signal: None,
    message: "",
    cause: None,
    warnings: &[],
};

/// The job failed, and its process went on.
pub(crate) const fn failed(kind: FailureKind, message: &'static str) -> Expected {
    Expected { status: EndStatus::Failed, kind: Some(kind), message, ..COMPLETED }
}

/// The job ended its process.
pub(crate) const fn died(kind: FailureKind, message: &'static str) -> Expected {
    Expected { warnings: &NO_HOOKS, ..failed(kind, message) }
}

/// Runs the job `dies`, and checks everything about the run.
#[track_caller]
pub(crate) fn check(way: &str, options: &str, expected: &Expected) -> Finished {
    let sandbox = new_sandbox();
    let options: Vec<_> = options.split_whitespace().collect();
    let finished = finish(
        sandbox.command(&[&["run", "dies", "--data", way, "--json"], &options[..]].concat()),
    );
    check_finished(&finished, way, expected);
    assert_nothing_left(&sandbox, &finished.outcome());
    finished
}

/// Checks a finished run against what is expected. [`Finished::outcome`] checks that its outcome is the only one,
/// is the same everywhere, and fits the exit code, and the checksums of all files.
#[track_caller]
pub(crate) fn check_finished(finished: &Finished, way: &str, expected: &Expected) -> Outcome {
    let outcome = finished.outcome();
    let failure = outcome.ending.failure();
    assert_eq!(outcome.status(), expected.status, "{way}: {finished:#?}");
    assert_eq!(failure.map(|failure| failure.kind), expected.kind, "{way}: {finished:#?}");
    let message = failure.map_or("", |failure| &failure.message);
    assert!(message.contains(expected.message), "{way}: {message}");
    let exit_code = failure.and_then(|failure| failure.worker_exit_code);
    let signal = failure.and_then(|failure| failure.worker_signal.as_deref());
    assert_eq!((exit_code, signal), (expected.exit_code, expected.signal), "{way}");
    let cause = failure.and_then(|failure| failure.causes.first());
    assert_eq!(cause.is_some(), expected.cause.is_some(), "{way}: {failure:#?}");
    assert!(cause.is_none_or(|cause| cause.contains(expected.cause.unwrap())), "{way}: {cause:?}");
    assert_eq!(outcome.warnings, expected.warnings, "{way}");
    assert_eq!(collected(&outcome), ["partial.txt"], "{way}");
    assert_eq!(statuses(outcome.run_dir.as_ref()).last().unwrap(), "execution_done", "{way}");
    let log = std::fs::read(Path::new(&outcome.run_dir).join("logs/stdout.log")).unwrap();
    assert!(log.starts_with(b"ready\n"), "{way}");
    assert!(outcome.logs.iter().any(|log| log.path.as_str() == Some("stdout.log")), "{way}");
    outcome
}
