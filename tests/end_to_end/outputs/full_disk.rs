//! A disk that a job fills: the run ends, reports it, and never claims to have completed.

use chutes::outcome::FailureKind;
use chutes_test_support::machine::unshare;
use chutes_test_support::{Finished, finish};

use crate::programs::new_sandbox;

/// Runs `fills_the_disk` in a file system of its own, which is gone together with the process.
#[track_caller]
fn run(when_full: &str) -> Finished {
    let sandbox = new_sandbox();
    std::fs::create_dir(sandbox.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=1m none disk && exec \"$@\"";
    let wrapper = [&unshare(&["--mount"])[..], &["sh", "-c", script, "sh"]].concat();
    let data = format!("\"{when_full}\"");
    let arguments = ["run", "fills_the_disk", "--data", &data, "--run-dir", "disk/run", "--json"];
    let finished = finish(sandbox.wrapped(&wrapper, &arguments));
    assert!(finished.stderr.contains("the disk is full"), "{finished:#?}");
    // That file system was filled, and not the one of the machine.
    assert!(!sandbox.path("disk/run").exists());
    finished
}

#[test]
fn job_returns_the_error() {
    let finished = run("return_the_error");
    let outcome = finished.printed_outcome();
    assert!(matches!(finished.code, Some(1 | 4)), "{finished:#?}");
    let error = finished.errors().join("\n");
    assert!(error.contains("No space left on device"), "{finished:#?}");
    assert_ne!(outcome.status().to_string(), "completed");
}

/// The job may have succeeded, but its directory cannot show it.
#[test]
fn job_says_nothing() {
    let finished = run("say_nothing");
    let outcome = finished.printed_outcome();
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::Platform);
    let error = finished.errors().join("\n");
    assert!(error.contains("cannot write the manifest"), "{finished:#?}");
    assert!(error.contains("No space left on device"), "{finished:#?}");
}

/// A disk that has room again in time is no failure.
#[test]
fn job_makes_room() {
    let finished = run("make_room");
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.printed_outcome().status().to_string(), "completed");
}

/// Data that cannot be written is lost, and the run reports it.
#[test]
fn standard_output_is_full() {
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["describe", "echo", "--json"],
        &["completions", "bash"],
        &["run", "echo", "--set", "epochs=1", "--json"],
    ] {
        let sandbox = new_sandbox();
        let wrapper = ["sh", "-c", "exec \"$@\" >/dev/full", "sh"];
        let finished = finish(sandbox.wrapped(&wrapper, arguments));
        assert_eq!(finished.code, Some(4), "{arguments:?}: {finished:#?}");
        let error = finished.errors().join("\n");
        assert!(error.contains("No space left on device"), "{arguments:?}: {finished:#?}");
    }
}
