//! What a run prints to which stream without a terminal, and what is kept of it.

use std::path::Path;
use std::process::Stdio;

use chutes_test_support::{Finished, finish, start};
use rustix::process::Pid;

use crate::programs::new_sandbox;

const OUT: &str = "out: line\nout: not text: \u{fffd}\nout: child\nout: unfinished";

/// Runs the job that prints, and returns the content of its logs.
#[track_caller]
fn run(options: &str) -> (Finished, [String; 2]) {
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("run prints --run-dir run {options}"));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let logs = ["stdout.log", "stderr.log"].map(|name| {
        let bytes = std::fs::read(sandbox.path("run/logs").join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (finished, logs)
}

#[test]
fn streams_of_the_job() {
    let (finished, _) = run("");
    assert_eq!(finished.stdout, OUT);
    for text in ["err: line\n", "err: child\n", "err: event answer=42\n", "err: unfinished"] {
        assert!(finished.stderr.contains(text), "{text}: {finished:#?}");
    }
}

/// With `--json` standard output has only the outcome.
#[test]
fn json() {
    let (finished, logs) = run("--json");
    assert_eq!(finished.printed_outcome().target.short_name(), "prints");
    for line in OUT.lines() {
        assert!(finished.stderr.contains(line), "{line}: {finished:#?}");
    }
    assert_eq!(logs[0], OUT);
}

#[test]
fn logs() {
    let (_, [out, err]) = run("");
    assert_eq!(out, OUT);
    assert!(err.starts_with("err: line\nerr: child\n"), "{err}");
    assert!(err.ends_with("\nerr: unfinished"), "{err}");
    let event = err.lines().find(|line| line.contains("err: event")).unwrap();
    assert!(event.contains(" INFO ") && event.ends_with("err: event answer=42"), "{event}");
    assert!(!err.contains("hidden event"), "{err}");
    // Lines of the supervisor are not in the log of the job.
    assert!(!err.contains("running `prints`") && !err.contains("completed in"), "{err}");
}

/// The supervisor prints whole lines, also after an unfinished line of the job.
#[test]
fn last_line_of_the_job() {
    let (finished, _) = run("");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.starts_with("completed in "), "{finished:#?}");
}

#[test]
fn filter_of_events() {
    let sandbox = new_sandbox();
    for (filter, shown) in [("debug", true), ("off", false)] {
        let mut command = sandbox.command(&["run", "prints"]);
        command.env("RUST_LOG", filter);
        let finished = finish(command);
        assert_eq!(finished.stderr.contains("hidden event"), shown, "{finished:#?}");
        assert_eq!(finished.stderr.contains("err: event"), shown, "{finished:#?}");
    }
}

#[test]
fn more_than_a_pipe_holds() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run prints_much --run-dir run");
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stdout.lines().count(), 20_000);
    assert!(finished.stdout.ends_with("line 19999 of many\n"));
    assert_eq!(
        std::fs::read_to_string(sandbox.path("run/logs/stdout.log")).unwrap(),
        finished.stdout
    );
}

/// Progress is printed as a few lines, with the last report among them.
#[test]
fn progress() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run reports_progress");
    let lines: Vec<_> =
        finished.stderr.lines().filter(|line| line.starts_with("progress: ")).collect();
    assert_eq!(lines.last(), Some(&"progress: 100% step 100"), "{finished:#?}");
    assert!(lines.len() < 20, "{lines:#?}");
}

#[test]
fn no_colours() {
    for arguments in [
        "list",
        "describe",
        "run prints",
        "run fails",
        "run uses_state --data [\"shutdown_fails\"]",
        "run nothing",
        "run",
        "--help",
        "run --help",
        "--wrong",
    ] {
        let sandbox = new_sandbox();
        let finished = sandbox.run(arguments);
        assert!(!finished.stdout.contains('\u{1b}'), "{arguments}: {finished:#?}");
        assert!(!finished.stderr.contains('\u{1b}'), "{arguments}: {finished:#?}");
    }
}

/// A reader closes the pipe early.
#[test]
fn nobody_reads() {
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["describe"],
        &["--help"],
        &["run", "--help"],
        &["completions", "bash"],
        &["run", "prints_much"],
        &["run", "prints_much", "--json"],
    ] {
        let sandbox = new_sandbox();
        let wrapper = ["sh", "-c", "exec \"$@\" | true", "sh"];
        // The shell gives the exit code of `true`; the job's is on standard error.
        let finished = finish(sandbox.wrapped(&wrapper, arguments));
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        assert!(!finished.stderr.contains("panicked"), "{arguments:?}: {finished:#?}");
        if arguments[0] == "run" && arguments[1] != "--help" {
            let last = finished.stderr.lines().last().unwrap();
            assert!(last.starts_with("completed in "), "{arguments:?}: {finished:#?}");
        }
    }
}

/// The standard streams may not even be open.
#[test]
fn streams_are_closed() {
    for closed in ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let sandbox = new_sandbox();
        let script = format!("exec \"$@\" {closed}");
        let arguments = ["run", "prints", "--run-dir", "run"];
        let finished = finish(sandbox.wrapped(&["sh", "-c", &script, "sh"], &arguments));
        assert_eq!(finished.code, Some(0), "{closed}: {finished:#?}");
        let log = std::fs::read(sandbox.path("run/logs/stdout.log")).unwrap();
        assert_eq!(String::from_utf8_lossy(&log), OUT, "{closed}");
    }
}

/// A process that the job leaves behind neither delays the end of the run nor survives it.
#[test]
fn child_that_stays() {
    let sandbox = new_sandbox();
    let mut running = sandbox.start("run leaves_a_child --run-dir run --json");
    running.wait_for("before");
    let finished = running.finish();
    let outcome = finished.outcome();
    let child = Pid::from_raw(outcome.result.unwrap().to().unwrap()).unwrap();
    let log = std::fs::read_to_string(sandbox.path("run/logs/stdout.log")).unwrap();
    assert_eq!((finished.code, &*log), (Some(0), "before\n"), "{finished:#?}");
    // It was still running at the end of the job; otherwise this test would show nothing.
    assert_eq!(outcome.warnings, ["the job left a process that had to be ended: sleep"]);
    assert_eq!(rustix::process::test_kill_process(child), Err(rustix::io::Errno::SRCH));
}

/// Standard input is not read unless an option requests it.
#[test]
fn standard_input_is_not_touched() {
    let sandbox = new_sandbox();
    let script = "\"$@\" >/dev/null 2>&1; cat";
    std::fs::write(sandbox.path("in"), "still here").unwrap();
    let arguments = ["run", "echo", "--set", "epochs=1"];
    let mut command = sandbox.wrapped(&["sh", "-c", script, "sh"], &arguments);
    command.stdin(Stdio::from(std::fs::File::open(sandbox.path("in")).unwrap()));
    assert_eq!(start(command).finish().stdout, "still here");
    assert!(Path::new(&sandbox.path("runs")).is_dir());
}
