//! Every way in which a run can end: exit code, status, failure, messages, and the outputs kept.

use chutes::outcome::FailureKind;
use chutes_test_support::record::{collected, statuses};
use chutes_test_support::{Finished, finish};

use crate::expected::NO_HOOKS;
use crate::programs::new_sandbox;

/// What is expected of a run that is not stopped from outside.
struct Expected {
    code: i32,
    status: &'static str,
    kind: FailureKind,
    /// The `error:` line and its causes.
    errors: &'static [&'static str],
    outputs: &'static [&'static str],
    warnings: &'static [&'static str],
}

#[track_caller]
fn check(arguments: &str, expected: &Expected) -> Finished {
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("run {arguments} --json"));
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(expected.code), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), expected.status);
    assert_eq!(outcome.ending.failure().unwrap().kind, expected.kind);
    assert_eq!(finished.errors(), expected.errors);
    assert_eq!(collected(&outcome), expected.outputs);
    assert_eq!(outcome.warnings, expected.warnings);
    let last = finished.stderr.lines().last().unwrap();
    let words = expected.status.replace('_', " ");
    assert!(last.starts_with(&format!("{words} in ")), "{last}");
    finished
}

#[test]
fn completed() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run echo --set epochs=3 --set label=x --json");
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0));
    assert_eq!(outcome.status().to_string(), "completed");
    assert_eq!(outcome.result.unwrap().as_str(), r#"{"epochs":3,"rate":0.5,"label":"x"}"#);
    assert_eq!(outcome.ending.failure(), None);
    assert_eq!(finished.errors(), [""; 0]);
    let steps = ["received", "accepted", "executor_ready", "execution_done"];
    assert_eq!(statuses(outcome.run_dir.as_ref()), steps);
    let phases: Vec<_> = outcome.phases.iter().map(|report| report.phase.as_str()).collect();
    assert_eq!(phases, ["start", "execute", "upload"]);
}

#[test]
fn error_with_causes() {
    let finished = check(
        "fails",
        &Expected {
            code: 1,
            status: "failed",
            kind: FailureKind::JobError,
            errors: &[
                "error: job `fails` failed: the settings are wrong",
                "  caused by: invalid digit found in string",
            ],
            outputs: &["partial.txt"],
            warnings: &[],
        },
    );
    let failure = finished.printed_outcome().ending.failure().unwrap().clone();
    assert_eq!(failure.message, "the settings are wrong");
    assert_eq!(failure.causes, ["invalid digit found in string"]);
    assert_eq!(failure.phase.unwrap().as_str(), "execute");
}

#[test]
fn panic() {
    let source = include_str!("../../jobs/endings.rs");
    let line = source.lines().position(|line| line.contains("made of cheese")).unwrap() + 1;
    let sandbox = new_sandbox();
    let finished = sandbox.run("run panics --json");
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    let place = format!("tests/jobs/endings.rs:{line}:5");
    let message = format!("the job panicked at {place}: the disk is made of cheese");
    assert_eq!((finished.code, failure.kind), (Some(1), FailureKind::Panic));
    assert_eq!(failure.location.as_ref(), Some(&place));
    assert_eq!(failure.message, message);
    assert_eq!(finished.errors(), [format!("error: job `panics` failed: {message}")]);
    assert_eq!(collected(&outcome), ["partial.txt"]);
}

/// User code is not only in the function: whatever part of it panics, there is an outcome.
#[track_caller]
fn check_panic_elsewhere(job: &str, message: &str, outputs: &[&str]) {
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("run {job} --json"));
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    assert!(failure.message.contains(message), "{failure:?}");
    assert_eq!(collected(&outcome), outputs);
}

#[test]
fn panic_while_data_is_decoded() {
    check_panic_elsewhere("panics_in_its_data", "it explodes while it is decoded", &[]);
}

#[test]
fn panic_while_an_error_is_shown() {
    let message = "it explodes while it is shown";
    check_panic_elsewhere("panics_in_its_error", message, &["partial.txt"]);
}

#[test]
fn result_that_json_cannot_hold() {
    check(
        "not_finite",
        &Expected {
            code: 1,
            status: "failed",
            kind: FailureKind::InvalidResult,
            errors: &[
                "error: job `not_finite` failed: the result holds NaN at `rate`, which JSON cannot hold",
            ],
            outputs: &["partial.txt"],
            warnings: &[],
        },
    );
}

/// Data that does not fit: nothing was started, and the message says where and why.
#[track_caller]
fn check_rejected(arguments: &str, error: &'static str) {
    let errors = [error];
    let (code, status, kind) = (2, "rejected", FailureKind::InvalidData);
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("run {arguments} --run-dir run --json"));
    let outcome = finished.outcome();
    assert_eq!((finished.code, outcome.status().to_string()), (Some(code), status.into()));
    assert_eq!(outcome.ending.failure().unwrap().kind, kind);
    assert_eq!(finished.errors(), errors);
    assert_eq!(statuses(outcome.run_dir.as_ref()), ["received"]);
    assert!(!std::path::Path::new(&outcome.run_dir).join("scratch/hooks.txt").exists());
}

#[test]
fn data_that_does_not_fit() {
    for (arguments, error) in [
        (
            r#"echo --data {"epochs":"ten"}"#,
            r#"error: job `echo` was not started: invalid data at `epochs`: invalid type: string "ten", expected u32"#,
        ),
        (
            r#"echo --data {"epochs":-1}"#,
            "error: job `echo` was not started: invalid data at `epochs`: invalid value: integer `-1`, expected u32",
        ),
        (
            r#"echo --data {"epochs":1,"rate":[]}"#,
            "error: job `echo` was not started: invalid data at `rate`: invalid type: sequence, expected f64",
        ),
        (
            r#"echo --data {"epochs":1,"epoch":2}"#,
            "error: job `echo` was not started: unknown field in the data: `epoch`; did you mean `epochs`?",
        ),
        (
            r#"echo --data {"epochs":1,"optimizer":2,"data_path":3}"#,
            "error: job `echo` was not started: unknown fields in the data: `optimizer`, `data_path`",
        ),
        ("echo", "error: job `echo` was not started: invalid data: missing field `epochs`"),
        ("fails --set a=1", "error: job `fails` was not started: the job takes no data"),
        ("fails --data []", "error: job `fails` was not started: the job takes no data"),
    ] {
        check_rejected(arguments, error);
    }
}

/// A directory that the command line has not named is not left behind, and the result says what there was to say.
#[test]
fn rejected_run_leaves_nothing() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run echo --set epochs=no --json --result result");
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_eq!(finished.printed_outcome().status().to_string(), "rejected");
    assert_eq!(sandbox.entries(), ["result"]);
    let other = sandbox.run("run echo --set epochs=1 --json");
    assert_eq!(other.code, Some(0), "{other:#?}");
    assert_eq!(sandbox.run("run echo --set epochs=no").code, Some(2));
    let kept = std::fs::read_dir(sandbox.path("runs")).unwrap().count();
    assert_eq!((kept, sandbox.entries().len()), (1, 2), "the runs of others are kept");
}

#[test]
fn outputs_incomplete() {
    let finished = check(
        "writes_a_huge_file --data 8000000000000 --upload-limit 1",
        &Expected {
            code: 3,
            status: "failed",
            kind: FailureKind::OutputsIncomplete,
            errors: &[
                "error: job `writes_a_huge_file` failed: the job finished, but 1 output file was not collected",
            ],
            outputs: &["good.txt"],
            warnings: &[],
        },
    );
    assert_eq!(finished.printed_outcome().result.unwrap().as_str(), "8000000000000");
}

#[test]
fn time_limit_and_a_job_that_stops() {
    let finished = check(
        "stops_when_asked --time-limit 1",
        &Expected {
            code: 124,
            status: "timed_out",
            kind: FailureKind::TimeLimit,
            errors: &[
                "error: job `stops_when_asked` ran out of time: the execute phase reached its limit of 1s",
            ],
            outputs: &["last.txt", "partial.txt"],
            warnings: &[],
        },
    );
    let stopping = "stopping: the execute phase reached its limit of 1s; the job has 30s to end";
    assert!(finished.stderr.lines().any(|line| line == stopping), "{finished:#?}");
    assert_eq!(finished.printed_outcome().result.unwrap().as_str(), "\"stopped in time\"");
}

#[test]
fn time_limit_and_a_job_that_ignores_it() {
    check(
        "ignores_cancellation --time-limit 1 --grace 1",
        &Expected {
            code: 124,
            status: "timed_out",
            kind: FailureKind::TimeLimit,
            errors: &[
                "error: job `ignores_cancellation` ran out of time: the execute phase reached its limit of 1s; the job did not end within its grace of 1s and was stopped",
            ],
            outputs: &["partial.txt"],
            warnings: &[],
        },
    );
}

#[test]
fn time_limit_and_a_job_that_never_yields() {
    check(
        "never_yields --time-limit 1 --grace 0",
        &Expected {
            code: 124,
            status: "timed_out",
            kind: FailureKind::TimeLimit,
            errors: &[
                "error: job `never_yields` ran out of time: the execute phase reached its limit of 1s; the job did not end within its grace of 0s and was killed",
            ],
            outputs: &["partial.txt"],
            warnings: &NO_HOOKS,
        },
    );
}

#[test]
fn time_limit_and_a_job_that_then_fails() {
    check(
        "fails_when_asked --time-limit 1",
        &Expected {
            code: 124,
            status: "timed_out",
            kind: FailureKind::TimeLimit,
            errors: &[
                "error: job `fails_when_asked` ran out of time: the execute phase reached its limit of 1s",
                "  caused by: the job then returned an error: cannot save the model",
            ],
            outputs: &[],
            warnings: &[],
        },
    );
}

/// Without its journal there would be no run for a recovery.
#[test]
fn journal_of_the_run_is_gone() {
    for instead in ["", "folder", "link", "{}"] {
        let sandbox = new_sandbox();
        let data = serde_json::json!(instead).to_string();
        let words = ["run", "removes_its_journal", "--data", &data, "--run-dir", "run", "--json"];
        let finished = finish(sandbox.command(&words));
        // It reads the journal, too.
        let outcome = finished.outcome();
        assert_eq!(finished.code, Some(0), "{instead}: {finished:#?}");
        let warning =
            "`run.jsonl` was removed or replaced while the run went on, and was written again";
        assert_eq!(outcome.warnings, [warning], "{instead}");
        let recovered = sandbox.run("recover run --json");
        assert_eq!(
            recovered.recovered_outcome().run_id,
            outcome.run_id,
            "{instead}: {recovered:#?}"
        );
    }
}

#[test]
fn directory_of_the_run_is_gone() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run removes_its_directory --json");
    let outcome = finished.printed_outcome();
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), "platform_failed");
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::Platform);
    let errors = finished.errors();
    let expected = "error: the platform failed, not the job: cannot write the manifest of the run";
    assert!(errors[0].starts_with(expected), "{errors:#?}");
    assert_eq!(errors.iter().filter(|line| line.starts_with("error:")).count(), 1, "{errors:#?}");
}
