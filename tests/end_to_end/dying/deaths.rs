//! Every way in which the process of a job can end early. In each of them there is one outcome that
//! says how, the outputs and logs up to then, and no process left.

use chutes::outcome::{FailureKind, Phase};
use chutes::{EndStatus, Outcome};
use chutes_test_support::leftovers::assert_nothing_left;
use chutes_test_support::machine::{child_of, cover};
use chutes_test_support::record::statuses;
use chutes_test_support::{finish, start};
use rustix::process::{Signal, kill_process};

use crate::expected::{COMPLETED, Expected, NO_HOOKS, check, check_finished, died, failed};
use crate::programs::new_sandbox;

const fn crashed(signal: &'static str, message: &'static str) -> Expected {
    Expected { signal: Some(signal), ..died(FailureKind::Crashed, message) }
}

const fn aborted(message: &'static str) -> Expected {
    Expected { signal: Some("SIGABRT"), ..died(FailureKind::Aborted, message) }
}

const fn exited(code: i32, message: &'static str) -> Expected {
    Expected { exit_code: Some(code), ..died(FailureKind::Exited, message) }
}

#[test]
fn returns() {
    check(r#""value""#, "", &COMPLETED);
    check(r#""error""#, "", &failed(FailureKind::JobError, "it went wrong"));
}

#[test]
fn panics() {
    const PANIC: FailureKind = FailureKind::Panic;

    for (way, expected) in [
        ("in_thread_that_is_joined", failed(PANIC, "it panics in a thread")),
        ("in_drop", failed(PANIC, "it panics while it is dropped")),
        ("without_text", failed(PANIC, "a value that is not text")),
        ("with_explosive", failed(PANIC, "a value that is not text")),
        ("while_unwinding", aborted("the job's process aborted itself (SIGABRT)")),
        ("in_foreign_function", aborted("the job's process aborted itself (SIGABRT)")),
        // As in every Rust program: a thread that panics ends alone.
        ("in_thread", COMPLETED),
    ] {
        check(&format!(r#"{{"panic":"{way}"}}"#), "", &expected);
    }
}

/// A backtrace shows the job, and not what has called it, unless it is wanted in full.
#[test]
fn backtrace_of_a_panic() {
    let printed = |backtrace: &str| {
        let sandbox = new_sandbox();
        let mut command = sandbox.command(&["run", "panics", "--run-dir", "run"]);
        command.env("RUST_BACKTRACE", backtrace);
        finish(command);
        let log = std::fs::read_to_string(sandbox.path("run/logs/stderr.log")).unwrap();
        log.split_once("stack backtrace:").unwrap().1.to_owned()
    };
    let (short, full) = (printed("1"), printed("full"));
    for frames in [&short, &full] {
        assert!(frames.contains("::panics::"), "{frames}");
    }
    for other in ["chutes_runtime::", "tokio::"] {
        assert!(!short.contains(other), "{short}");
        assert!(full.contains(other), "{full}");
    }
}

/// What the panic hook prints is in the log of the run.
#[test]
fn panic_in_a_thread_is_in_the_log() {
    let sandbox = new_sandbox();
    let way = r#"{"panic":"in_thread"}"#;
    finish(sandbox.command(&["run", "dies", "--data", way, "--run-dir", "run"]));
    let log = std::fs::read_to_string(sandbox.path("run/logs/stderr.log")).unwrap();
    assert!(log.contains("it panics in a thread"), "{log}");
}

/// A job that ends its process has not returned, whatever the exit code is.
#[test]
fn exits() {
    for (code, place, message) in [
        (0, "job", "the job ended its process with exit code 0"),
        (7, "job", "the job ended its process with exit code 7"),
        (0, "thread", "the job ended its process with exit code 0"),
        (255, "thread", "the job ended its process with exit code 255"),
    ] {
        let way = format!(r#"{{"exit":[{code},"{place}"]}}"#);
        check(&way, "", &exited(code, message));
    }
}

#[test]
fn aborts() {
    check(r#""abort""#, "", &aborted("the job's process aborted itself (SIGABRT)"));
}

/// The process crashes by the code that it runs.
#[cfg(target_arch = "x86_64")]
#[test]
fn crashes() {
    const NULL_DEREFERENCE: &[u8] = &[0x31, 0xc0, 0x8b, 0x00];
    const NO_INSTRUCTION: &[u8] = &[0x0f, 0x0b];
    const DIVISION_BY_ZERO: &[u8] = &[0x31, 0xc9, 0xf7, 0xf1];
    const BREAKPOINT: &[u8] = &[0xcc];

    for (code, expected) in [
        (NULL_DEREFERENCE, crashed("SIGSEGV", "SIGSEGV (invalid memory reference)")),
        (NO_INSTRUCTION, crashed("SIGILL", "SIGILL (illegal instruction)")),
        (DIVISION_BY_ZERO, crashed("SIGFPE", "SIGFPE (invalid arithmetic")),
        (BREAKPOINT, crashed("SIGTRAP", "SIGTRAP (breakpoint without debugger)")),
    ] {
        check(&format!(r#"{{"machine_code":{code:?}}}"#), "", &expected);
    }
}

/// Signals for faults in the code, and signals by which others end a process.
#[test]
fn signals() {
    const fn killed(signal: &'static str) -> Expected {
        Expected { signal: Some(signal), ..died(FailureKind::Killed, "was killed by") }
    }

    for (number, expected) in [
        (4, crashed("SIGILL", "the job's process was killed by SIGILL")),
        (7, crashed("SIGBUS", "the job's process was killed by SIGBUS")),
        (8, crashed("SIGFPE", "the job's process was killed by SIGFPE")),
        (11, crashed("SIGSEGV", "the job's process was killed by SIGSEGV")),
        (31, crashed("SIGSYS", "the job's process was killed by SIGSYS")),
        (1, killed("SIGHUP")),
        (2, killed("SIGINT")),
        (9, killed("SIGKILL")),
        (14, killed("SIGALRM")),
        (15, killed("SIGTERM")),
    ] {
        check(&format!(r#"{{"signal":{number}}}"#), "", &expected);
    }
}

#[test]
fn killed_from_outside() {
    for (signal, name) in [(Signal::KILL, "SIGKILL"), (Signal::TERM, "SIGTERM")] {
        let sandbox = new_sandbox();
        let way = r#"{"refuse":"sleep"}"#;
        let mut running = start(sandbox.command(&["run", "dies", "--data", way, "--json"]));
        running.wait_for("ready");
        kill_process(child_of(running.pid()), signal).unwrap();
        let message = "the job's process was killed by SIG";
        let expected = Expected { signal: Some(name), ..died(FailureKind::Killed, message) };
        let outcome = check_finished(&running.finish(), way, &expected);
        assert_nothing_left(&sandbox, &outcome);
    }
}

#[test]
fn overflows_its_stack() {
    for place in ["job", "thread"] {
        let message = "the job used up its stack";
        let expected =
            Expected { signal: Some("SIGABRT"), ..died(FailureKind::StackOverflow, message) };
        let finished = check(&format!(r#"{{"stack_overflow":"{place}"}}"#), "", &expected);
        assert!(finished.stderr.contains("has overflowed its stack"), "{finished:#?}");
    }
}

/// A worker whose connection is closed cannot be supervised, and later reports are not trusted.
#[test]
fn is_not_heard_any_more() {
    const LOST: Expected =
        died(FailureKind::Killed, "the job's process closed the connection to its supervisor");

    check(r#""exec""#, "", &LOST);
    check(r#"{"connection":"nonsense"}"#, "", &LOST);
    let cannot_tell = exited(1, "the job ended its process with exit code 1");
    check(r#"{"connection":"close_and_return"}"#, "", &cannot_tell);
    // It notices the closed connection, and ends itself.
    let message = "the job's process was killed by SIGKILL";
    let ended_itself = Expected { signal: Some("SIGKILL"), ..died(FailureKind::Killed, message) };
    check(r#"{"connection":"close"}"#, "", &ended_itself);
}

/// Closed standard streams are no failure of the job.
#[test]
fn closes_its_streams() {
    let finished = check(r#""close_streams""#, "", &COMPLETED);
    assert!(!finished.stderr.contains("nobody sees this"), "{finished:#?}");
}

/// Without `/proc` no worker is started, which is a platform failure and not the job's.
#[test]
fn worker_that_cannot_start() {
    let sandbox = new_sandbox();
    let cover = cover("/proc");
    let wrapper: Vec<_> = cover.iter().map(String::as_str).collect();
    let arguments = ["run", "dies", "--data", "\"value\"", "--json"];
    let finished = finish(sandbox.wrapped(&wrapper, &arguments));
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    assert_eq!(outcome.status(), EndStatus::PlatformFailed);
    let failure = outcome.ending.failure().unwrap();
    assert_eq!((failure.kind, failure.phase), (FailureKind::Platform, Some(Phase::Start)));
    assert!(failure.message.starts_with("cannot start the worker: "), "{failure:?}");
    assert_eq!(statuses(outcome.run_dir.as_ref()), ["received"]);
    assert_nothing_left(&sandbox, &outcome);
}

/// How a hook ends its process, and what the run makes of it.
#[track_caller]
fn check_hook(
    behaviour: &str,
    options: &str,
    expected: (i32, Option<FailureKind>, &str),
) -> (Outcome, Vec<String>) {
    let sandbox = new_sandbox();
    let data = format!(r#"["{behaviour}"]"#);
    let finished = sandbox.run(&format!("run uses_state --data {data} --json {options}"));
    let outcome = finished.outcome();
    let (code, kind, message) = expected;
    let failure = outcome.ending.failure();
    assert_eq!(finished.code, Some(code), "{behaviour}: {finished:#?}");
    assert_eq!(failure.map(|failure| failure.kind), kind, "{behaviour}");
    let found = failure.map_or("", |failure| &failure.message);
    assert!(found.contains(message), "{behaviour}: {found}");
    assert_nothing_left(&sandbox, &outcome);
    let statuses = statuses(outcome.run_dir.as_ref());
    (outcome, statuses)
}

#[test]
fn startup_hook_dies() {
    for (behaviour, expected) in [
        (
            "startup_exits",
            (1, Some(FailureKind::Exited), "the job ended its process with exit code 0"),
        ),
        (
            "startup_aborts",
            (1, Some(FailureKind::Aborted), "the job's process aborted itself (SIGABRT)"),
        ),
    ] {
        let (outcome, statuses) = check_hook(behaviour, "", expected);
        assert_eq!(outcome.ending.failure().unwrap().phase.unwrap().as_str(), "start");
        assert_eq!(statuses, ["received", "accepted"]);
        assert_eq!(outcome.warnings, NO_HOOKS);
    }
}

/// The result of the job is kept.
#[test]
fn shutdown_hook_dies() {
    for (behaviour, options, warning) in [
        ("shutdown_exits", "", "did not end: the job ended its process with exit code 0"),
        ("shutdown_aborts", "", "did not end: the job's process aborted itself (SIGABRT)"),
        ("shutdown_never_yields", "--grace 1", "did not end in time and was killed"),
    ] {
        let (outcome, _) = check_hook(behaviour, options, (0, None, ""));
        let warning = format!("shutdown hook `stop_first` {warning}");
        assert_eq!(outcome.warnings, [&*warning, NO_HOOKS[1]], "{behaviour}");
        assert_eq!(outcome.result.unwrap().as_str(), "\"hello\"");
    }
}
