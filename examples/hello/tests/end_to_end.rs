//! Runs the binary as a user does: with data, without data, and with data that is wrong.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::process::Command;

use serde_json::Value;

/// Runs the job with these arguments, and returns the exit code, the outcome and the greeting that was written.
fn hello(arguments: &[&str]) -> (Option<i32>, Value, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let output = Command::new(env!("CARGO_BIN_EXE_hello"))
        .args(["run", "hello", "--json", "--run-dir"])
        .arg(&run_dir)
        .args(arguments)
        .output()
        .unwrap();
    let outcome = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let greeting = std::fs::read_to_string(run_dir.join("outputs/greeting.txt"));
    (output.status.code(), outcome, greeting.ok())
}

#[test]
fn somebody_is_greeted() {
    let check = |arguments: &[&str], expected: &str| {
        let (code, outcome, greeting) = hello(arguments);
        assert_eq!((code, &outcome["status"]), (Some(0), &"completed".into()), "{outcome}");
        assert_eq!((&outcome["result"], greeting.as_deref()), (&expected.into(), Some(expected)));
        assert_eq!(outcome["outputs"][0]["path"], "greeting.txt", "{outcome}");
    };
    check(&["--name", "Ada"], "Hello, Ada!");
    check(&[], "Hello, world!");
}

#[test]
fn data_that_is_wrong_starts_nothing() {
    let (code, _, greeting) = hello(&["--data", r#"{"name": 5}"#]);
    assert_eq!((code, greeting), (Some(2), None));
}
