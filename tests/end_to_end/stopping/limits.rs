//! Limits hold whatever the job does.

use std::time::Duration;

use chutes::outcome::{FailureKind, Phase};
use chutes::{EndStatus, Outcome};
use chutes_test_support::leftovers::assert_nothing_left;
use chutes_test_support::machine::peak_memory;
use chutes_test_support::record::{collected, not_collected};
use chutes_test_support::start;

use crate::expected::{COMPLETED, Expected, NO_HOOKS, check};
use crate::programs::{JOBS, new_sandbox};

/// The time that a busy machine may need on top of all limits.
const SLACK: Duration = Duration::from_secs(15);

/// How long the supervisor waits for an `.await`, and then after SIGTERM.
const FORCE: Duration = Duration::from_secs(4);

const fn timed_out(message: &'static str) -> Expected {
    Expected {
        status: EndStatus::TimedOut,
        kind: Some(FailureKind::TimeLimit),
        message,
        ..COMPLETED
    }
}

const fn killed(message: &'static str) -> Expected {
    Expected { warnings: &NO_HOOKS, ..timed_out(message) }
}

#[track_caller]
fn check_elapsed(outcome: &Outcome, phase: Phase, least: Duration, most: Duration) {
    let report = outcome.phases.iter().find(|report| report.phase == phase).unwrap();
    let elapsed = report.elapsed;
    assert!(least <= elapsed && elapsed < most + SLACK, "{phase} took {elapsed:?}");
}

/// One second to run, then this grace.
#[track_caller]
fn check_limit(way: &str, grace: u64, expected: &Expected) {
    let options = format!("--time-limit 1 --grace {grace}");
    let outcome = check(way, &options, expected).printed_outcome();
    let limit = Duration::from_secs(1);
    check_elapsed(&outcome, Phase::Execute, limit, limit + Duration::from_secs(grace) + FORCE);
}

/// A job that yields is ended there, and shutdown hooks still run in its process.
#[test]
fn ends_at_an_await() {
    const STOPPED: Expected =
        timed_out("the job did not end within its grace of 1s and was stopped");

    for way in [r#"{"refuse":"swallow"}"#, r#"{"panic":"when_aborted"}"#] {
        check_limit(way, 1, &STOPPED);
    }
}

/// A job that does not yield is killed.
#[test]
fn never_yields() {
    const KILLED: Expected = killed(
        "the execute phase reached its limit of 1s; the job did not end within its grace of 0s and was killed",
    );

    for refusal in
        ["spin", "sleep", "sleep_everywhere", "stay_in_drop", "ignore_termination", "stop"]
    {
        check_limit(&format!(r#"{{"refuse":"{refusal}"}}"#), 0, &KILLED);
    }
}

/// When a job dies after a request to stop, the run has timed out, and the outcome mentions the death.
#[test]
fn dies_when_asked() {
    const STOPPED: &str = "the execute phase reached its limit of 1s";

    let exit = |cause| Expected { cause: Some(cause), ..killed(STOPPED) };
    for (way, expected) in [
        (r#"{"exit":[0,"when_asked"]}"#, exit("the job ended its process with exit code 0")),
        (r#"{"exit":[7,"when_asked"]}"#, exit("the job ended its process with exit code 7")),
        (r#"{"stack_overflow":"when_asked"}"#, exit("the job used up its stack")),
        (
            r#"{"panic":"when_asked"}"#,
            Expected { cause: Some("it panics when it is asked to stop"), ..timed_out(STOPPED) },
        ),
    ] {
        check_limit(way, 30, &expected);
    }
}

/// Everything that a killed job has started is killed with it.
#[test]
fn tree() {
    const KILLED: Expected = killed("the job did not end within its grace of 0s and was killed");

    // A run within a run: its worker has the id of another run.
    let inner = format!("{JOBS} run dies --data '{{\"refuse\":\"sleep\"}}' --run-dir inner");
    for script in [
        "sleep 300",
        &inner,
        "setsid -f env -i sleep 300; sleep 300",
        "trap '' TERM; (trap '' TERM; sleep 300) & sleep 300; sleep 300",
        "sleep 300 & kill -STOP $!; kill -STOP $$",
        // The worker itself is stopped.
        "kill -STOP $PPID; sleep 300",
    ] {
        let way = serde_json::json!({ "shell": script }).to_string();
        check_limit(&way, 0, &KILLED);
    }
}

/// A job that waits at an `.await` is ended there, and what it has started is ended after it.
#[test]
fn tree_of_a_job_that_yields() {
    let expected = Expected {
        warnings: &["the job left a process that had to be ended: sleep"],
        ..timed_out("the job did not end within its grace of 0s and was stopped")
    };
    check_limit(r#"{"background":"setsid -f sleep 300"}"#, 0, &expected);
}

/// One second to start.
#[track_caller]
fn check_start(behaviour: &str, message: &str, warnings: &[&str]) {
    let sandbox = new_sandbox();
    let data = format!(r#"["{behaviour}"]"#);
    let options = "--start-limit 1 --grace 1 --json";
    let finished = sandbox.run(&format!("run uses_state --data {data} {options}"));
    let outcome = finished.outcome();
    assert_eq!(outcome.status(), EndStatus::TimedOut, "{behaviour}: {finished:#?}");
    let failure = outcome.ending.failure().unwrap();
    assert_eq!((failure.kind, failure.phase), (FailureKind::TimeLimit, Some(Phase::Start)));
    assert_eq!(failure.message, message);
    assert_eq!(outcome.warnings, warnings, "{behaviour}");
    let limit = Duration::from_secs(1);
    check_elapsed(&outcome, Phase::Start, limit, 2 * limit + FORCE);
    assert_nothing_left(&sandbox, &outcome);
}

#[test]
fn startup_hooks() {
    check_start(
        "startup_hangs",
        "the start phase reached its limit of 1s; startup hook `start_last` did not end within its grace of 1s and was stopped",
        &[],
    );
    check_start(
        "startup_never_yields",
        "the start phase reached its limit of 1s; startup hook `start_last` did not end within its grace of 1s and was killed",
        &NO_HOOKS,
    );
}

/// Collecting ends at its limit, too, and files that were not collected are reported as such.
#[test]
fn upload() {
    let sandbox = new_sandbox();
    // More than can be read in a day.
    let options = "--data 8000000000000 --upload-limit 1 --json";
    let finished = sandbox.run(&format!("run writes_a_huge_file {options}"));
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(collected(&outcome), ["good.txt"]);
    let expected = [("huge.bin", "collecting was stopped within this file")];
    assert_eq!(not_collected(&outcome), expected);
    check_elapsed(&outcome, Phase::Upload, Duration::from_secs(1), Duration::from_secs(1));
}

/// A job that prints without end fills neither the memory of its supervisor nor the disk.
#[test]
fn flood() {
    // In kilobytes.
    const MOST_MEMORY: u64 = 64 * 1024;
    const PRINTED: u64 = 1_000_000_000;
    // The log of one stream, and the lines about what is missing.
    const MOST_LOG: u64 = 256 * 1024 * 1024 + 4096;

    let sandbox = new_sandbox();
    let way =
        serde_json::json!({ "shell": format!("yes $(printf %01000d 0) | head -c {PRINTED}") })
            .to_string();
    // What the job prints is not read by the test.
    let wrapper = ["sh", "-c", "exec \"$@\" 2>/dev/null", "sh"];
    let arguments = ["run", "dies", "--data", &way, "--run-dir", "run", "--json"];
    let running = start(sandbox.wrapped(&wrapper, &arguments));
    let mut peak = 0;
    let finished = running.finish_watched(Duration::from_millis(20), |pid| {
        peak = peak_memory(pid).unwrap_or(0).max(peak);
    });
    let outcome = finished.outcome();
    assert_eq!(outcome.status(), EndStatus::Completed);
    let logs: u64 = std::fs::read_dir(sandbox.path("run/logs"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(logs <= MOST_LOG, "{logs}");
    let dropped: Vec<_> = outcome.warnings.iter().map(|it| it.split_once(' ').unwrap()).collect();
    let [(dropped, text)] = dropped[..] else { panic!("{outcome:#?}") };
    assert_eq!(text, "bytes of output are not in `stdout.log`");
    let dropped: u64 = dropped.parse().unwrap();
    assert!(dropped + logs >= PRINTED && dropped < PRINTED, "{dropped} {logs}");
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} kB");
}
