//! Signals: how a run is cancelled, how urgently, and what does not cancel it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::leftovers::assert_nothing_left;
use chutes_test_support::machine::{child_of, open_terminal, unshare};
use chutes_test_support::record::{collected, not_collected};
use chutes_test_support::{Running, Sandbox, start};
use rustix::process::Signal;

use crate::programs::new_sandbox;

/// Starts a job with the signal dispositions of a login shell, independent of the environment of the tests.
fn start_ordinary(sandbox: &Sandbox, arguments: &str) -> Running {
    let wrapper = ["env", "--default-signal=INT,TERM,HUP,QUIT"];
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    start(sandbox.wrapped(&wrapper, &[&["run"], &arguments[..], &["--json"]].concat()))
}

/// Starts a run as the foreground of a terminal, whose keys send signals.
fn start_at_a_terminal(sandbox: &Sandbox, arguments: &[&str]) -> (OwnedFd, Running) {
    let wrapper = ["env", "--default-signal=INT,TSTP", "setsid", "--ctty", "--wait"];
    let (terminal, other_side) = open_terminal();
    let mut command = sandbox.wrapped(&wrapper, arguments);
    command.stdin(other_side);
    (terminal, start(command))
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

/// One signal cancels the job, which has its grace to end by itself.
#[test]
fn once() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let sandbox = new_sandbox();
        let mut running = start_ordinary(&sandbox, "stops_when_asked");
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
    let sandbox = new_sandbox();
    let mut running = start_ordinary(&sandbox, "ignores_cancellation --grace 1");
    running.wait_for("ready");
    running.signal(Signal::TERM);
    let message =
        "the run was cancelled; the job did not end within its grace of 1s and was stopped";
    finish_cancelled(running, message, &["partial.txt"]);
}

/// A second signal skips the grace of an hour and the shutdown hooks.
#[test]
fn twice() {
    for (first, second) in
        [(Signal::INT, Signal::INT), (Signal::TERM, Signal::TERM), (Signal::HUP, Signal::TERM)]
    {
        let sandbox = new_sandbox();
        let mut running = start_ordinary(&sandbox, "ignores_cancellation --grace 1h");
        running.wait_for("ready");
        running.signal(first);
        running.wait_for("stopping: the run was cancelled; the job has 1h to end");
        running.signal_again(second);
        let message = "the run was cancelled; the job was killed at once";
        let outcome = finish_cancelled(running, message, &["partial.txt"]);
        let skipped = ["stop_first", "stop_last"]
            .map(|name| format!("shutdown hook `{name}` was skipped: the run had to end at once"));
        assert_eq!(outcome.warnings, skipped);
    }
}

/// `timeout` and process groups send several signals for one reason: the job has its grace all the same.
#[test]
fn several_at_once() {
    let sandbox = new_sandbox();
    let mut running = start_ordinary(&sandbox, "waits_for_a_file --run-dir run --grace 1h");
    running.wait_for("ready");
    for signal in [Signal::TERM, Signal::INT, Signal::TERM, Signal::QUIT] {
        running.signal(signal);
    }
    running.wait_for("stopping: the run was cancelled; the job has 1h to end");
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    finish_cancelled(running, "the run was cancelled", &[]);
}

/// Ctrl-Z would stop the supervisor alone: the job would go on without limits.
#[test]
fn suspended_at_a_terminal() {
    let sandbox = new_sandbox();
    let arguments = ["run", "waits_for_a_file", "--run-dir", "run", "--time-limit", "2", "--json"];
    let (terminal, mut running) = start_at_a_terminal(&sandbox, &arguments);
    running.wait_for("ready");
    rustix::io::write(&terminal, b"\x1a").unwrap();
    // Nothing continues the supervisor.
    running.wait_for("stopping: the execute phase reached its limit of 2s");
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    assert_eq!(running.finish().code, Some(124));
}

/// A job that ends its process after a request to stop has been cancelled, not failed; and so has one
/// that has to be killed, with all that it has started.
#[test]
fn job_that_dies() {
    for (way, signals, message, cause) in [
        (
            r#"{"exit":[0,"when_asked"]}"#,
            &[Signal::TERM][..],
            "the run was cancelled",
            Some("the job ended its process with exit code 0"),
        ),
        (
            r#"{"panic":"when_asked"}"#,
            &[Signal::TERM],
            "the run was cancelled",
            Some("it panics when it is asked to stop"),
        ),
        (
            r#"{"shell":"setsid -f sleep 300; trap '' TERM; while :; do sleep 1; done"}"#,
            &[Signal::INT, Signal::TERM],
            "the run was cancelled; the job was killed at once",
            None,
        ),
    ] {
        let sandbox = new_sandbox();
        let wrapper = ["env", "--default-signal=INT,TERM,HUP"];
        let arguments = ["run", "dies", "--data", way, "--grace", "1h", "--json"];
        let mut running = start(sandbox.wrapped(&wrapper, &arguments));
        running.wait_for("ready");
        for (number, signal) in signals.iter().enumerate() {
            if number > 0 {
                running.wait_for("stopping: ");
                running.signal_again(*signal);
            } else {
                running.signal(*signal);
            }
        }
        let finished = running.finish();
        let outcome = finished.outcome();
        let failure = outcome.ending.failure().unwrap();
        assert_eq!((finished.code, failure.kind), (Some(130), FailureKind::Cancelled));
        assert_eq!(failure.message, message);
        assert_eq!(failure.causes.len(), usize::from(cause.is_some()), "{failure:#?}");
        assert!(failure.causes.first().is_none_or(|found| found.contains(cause.unwrap())));
        assert_eq!(collected(&outcome), ["partial.txt"]);
        assert_nothing_left(&sandbox, &outcome);
    }
}

/// Ctrl-C at a terminal is sent to a whole process group, and must reach the supervisor only: the job
/// has its grace, and its processes are not ended before it.
#[test]
fn at_a_terminal() {
    let sandbox = new_sandbox();
    let script =
        "trap 'echo torn' INT; echo ready; while [ ! -e go ]; do sleep 0.01; done; echo whole";
    let way = serde_json::json!({ "shell": script }).to_string();
    let arguments = ["run", "dies", "--data", &way, "--run-dir", "run", "--json"];
    let (terminal, mut running) = start_at_a_terminal(&sandbox, &arguments);
    running.wait_for("ready\nready\n");
    rustix::io::write(&terminal, b"\x03").unwrap();
    running.wait_for("stopping: the run was cancelled; the job has 30s to end");
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let outcome = finish_cancelled(running, "the run was cancelled", &["partial.txt"]);
    assert_eq!(outcome.result.unwrap().as_str(), "\"alive\"");
    let log = std::fs::read_to_string(sandbox.path("run/logs/stdout.log")).unwrap();
    assert_eq!(log, "ready\nready\nwhole\n");
}

/// A sink that never answers delays a run until the delivery is given up.
#[test]
fn during_delivery() {
    let sandbox = new_sandbox();
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = format!("good.txt=http://{}/good.txt", deaf.local_addr().unwrap());
    let arguments = ["run", "writes_a_huge_file", "--data", "1", "--output", &output, "--json"];
    let running = start(sandbox.command(&arguments));
    let (_connection, _) = deaf.accept().unwrap();
    let finished = running.finish_watched(Duration::from_millis(100), |pid| {
        rustix::process::kill_process(pid, Signal::INT).unwrap();
    });
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::OutputsIncomplete, "{finished:#?}");
    assert_eq!(collected(&outcome), ["good.txt", "huge.bin"]);
    assert_eq!(outcome.result.unwrap().as_str(), "1");
}

/// A closed terminal sends more than one signal, which does not make the cancel urgent.
#[test]
fn hangup_twice() {
    let sandbox = new_sandbox();
    let mut running = start_ordinary(&sandbox, "waits_for_a_file --run-dir run");
    running.wait_for("ready");
    running.signal(Signal::HUP);
    running.wait_for("stopping: the run was cancelled; the job has 30s to end");
    running.signal(Signal::HUP);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    finish_cancelled(running, "the run was cancelled", &[]);
}

/// Further signals skip the outputs, too: collecting is given up, and
/// the outcome says what is missing.
#[test]
fn again_and_again() {
    let sandbox = new_sandbox();
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
    let recovered = sandbox.run("recover");
    let said = "is in order: failed; 1 output was never collected, see `outputs/`";
    assert!(recovered.stderr.contains(said), "{recovered:#?}");
}

#[test]
fn during_startup() {
    let sandbox = new_sandbox();
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

/// As soon as a run has printed something it can be cancelled; a signal never just kills it.
#[test]
fn at_the_very_beginning() {
    for _ in 0..25 {
        let sandbox = new_sandbox();
        let mut running = start_ordinary(&sandbox, "stops_when_asked");
        running.wait_for("running `stops_when_asked` in ");
        running.signal(Signal::TERM);
        let finished = running.finish();
        assert_eq!(finished.code, Some(130), "{finished:#?}");
        finished.outcome();
    }
}

/// A job that has finished stays finished when the cancel comes while a shutdown hook runs.
#[test]
fn after_the_job() {
    let sandbox = new_sandbox();
    let data = r#"uses_state --data ["shutdown_waits","shutdown_writes"] --run-dir run"#;
    let mut running = start_ordinary(&sandbox, data);
    running.wait_for("shutting down");
    running.signal(Signal::INT);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
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
    let sandbox = new_sandbox();
    let data = r#"uses_state --data ["shutdown_hangs"] --grace 1h"#;
    let mut running = start_ordinary(&sandbox, data);
    running.wait_for("shutting down");
    // Nothing shows that the first signal has arrived, so the second is repeated. The run ends before a third one counts.
    let finished = running.finish_watched(Duration::from_secs(3), |pid| {
        rustix::process::kill_process(pid, Signal::INT).unwrap();
    });
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), "completed");
    assert_eq!(
        outcome.warnings,
        [
            "shutdown hook `stop_first` did not end in time and was killed",
            "shutdown hook `stop_last` was skipped: the run had to end at once",
        ]
    );
}

#[test]
fn hangup_under_nohup() {
    let sandbox = new_sandbox();
    let arguments = ["run", "waits_for_a_file", "--run-dir", "run", "--json"];
    let mut running = start(sandbox.wrapped(&["nohup"], &arguments));
    running.wait_for("ready");
    running.signal(Signal::HUP);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(finished.outcome().status().to_string(), "completed");
    assert!(!finished.stderr.contains("stopping:"), "{finished:#?}");
}

/// A shell without job control starts its background processes with SIGINT ignored. A signal that is sent
/// to the run itself counts nevertheless.
#[test]
fn interrupt_that_was_ignored() {
    let sandbox = new_sandbox();
    let wrapper = ["env", "--ignore-signal=INT"];
    let arguments = ["run", "stops_when_asked", "--json"];
    let mut running = start(sandbox.wrapped(&wrapper, &arguments));
    running.wait_for("ready");
    running.signal(Signal::INT);
    finish_cancelled(running, "the run was cancelled", &["last.txt", "partial.txt"]);
}

/// In a container the run is process 1, for which the kernel drops signals that have no handler.
#[test]
fn as_process_1() {
    for signal in [Signal::INT, Signal::TERM] {
        let sandbox = new_sandbox();
        let wrapper = unshare(&["--pid", "--fork", "--mount-proc", "--kill-child"]);
        let arguments = ["run", "stops_when_asked", "--json"];
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
