//! Texts of a job may have any length, and chains of causes no end: they are cut, and the run ends as it should.

use chutes::Outcome;
use chutes::event::{Event, Progress, RunEvent};
use chutes::outcome::FailureKind;

use crate::programs::new_sandbox;

/// Runs a job that fails in this way. Neither its message nor its causes are longer than they may be.
#[track_caller]
fn fails(arguments: &str, kind: FailureKind) -> Outcome {
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("run {arguments} --run-dir run --json --time-limit 30"));
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, kind, "{}", failure.message);
    assert_eq!(finished.code, Some(if kind == FailureKind::InvalidData { 2 } else { 1 }));
    assert!(failure.message.len() < 70_000, "{} bytes", failure.message.len());
    assert!(failure.causes.len() <= 33 && failure.causes.iter().all(|text| text.len() <= 8_192));
    assert!(!finished.stderr.contains("frame size"), "the worker's own words are shown");
    outcome
}

#[track_caller]
fn message(outcome: &Outcome) -> &str {
    &outcome.ending.failure().unwrap().message
}

#[test]
fn error_that_is_its_own_source() {
    let outcome = fails("fails_in_a_circle", FailureKind::JobError);
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.message, "it went round in a circle");
    assert_eq!(failure.causes.len(), 33);
    assert_eq!(failure.causes[32], "further causes are left out");
}

#[test]
fn error_that_is_longer_than_a_frame() {
    let data = r#"{"part":"error","bytes":35000000}"#;
    let outcome = fails(&format!("says_too_much --data {data}"), FailureKind::JobError);
    assert!(message(&outcome).ends_with(" … (cut: 35000000 bytes)"));
}

#[test]
fn causes_that_are_longer_than_a_frame() {
    let data = r#"{"part":"causes","bytes":35000000}"#;
    let outcome = fails(&format!("says_too_much --data {data}"), FailureKind::JobError);
    assert_eq!(message(&outcome), "it has a cause");
    assert_eq!(outcome.ending.failure().unwrap().causes.len(), 33);
}

#[test]
fn panic_that_is_longer_than_a_frame() {
    let data = r#"{"part":"panic","bytes":35000000}"#;
    let outcome = fails(&format!("says_too_much --data {data}"), FailureKind::Panic);
    assert!(message(&outcome).ends_with(" … (cut: 35000000 bytes)"), "its end is not there");
}

#[test]
fn data_with_names_that_are_too_long() {
    let sandbox = new_sandbox();
    let name = "n".repeat(5_000_000);
    std::fs::write(sandbox.path("data.json"), format!(r#"{{"{name}":1,"epochs":2}}"#)).unwrap();
    let data = sandbox.path("data.json");
    let arguments = format!("echo --data @{}", data.display());
    let outcome = fails(&arguments, FailureKind::InvalidData);
    assert!(message(&outcome).contains(" … (cut: "), "{}", message(&outcome).len());
}

#[test]
fn progress_that_is_longer_than_a_frame() {
    let sandbox = new_sandbox();
    let data = r#"{"part":"progress","bytes":35000000}"#;
    let command = format!("run says_too_much --data {data} --json --events events");
    assert_eq!(sandbox.run(&command).code, Some(0));
    let events = std::fs::read_to_string(sandbox.path("events")).unwrap();
    let reports = events.lines().filter_map(|line| match serde_json::from_str(line).unwrap() {
        Event { what: RunEvent::Progress(progress), .. } => Some(progress.message),
        _ => None,
    });
    let reports: Vec<_> = reports.collect();
    let is_cut =
        |text: &String| text.len() <= Progress::MAX_MESSAGE && text.contains("(cut: 35000000");
    assert!(!reports.is_empty() && reports.iter().all(is_cut), "{} reports", reports.len());
}
