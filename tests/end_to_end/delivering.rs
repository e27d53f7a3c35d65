//! Deliveries to sinks: whatever a server does, a run never claims the arrival of a file
//! that has not arrived, keeps everything, and delivers the rest later.

mod faults;
mod large;
mod lasting;
mod live;
mod places;
mod platform;
mod private;
mod rejected;
mod s3;

use std::path::Path;
use std::process::Command;

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes::sink::{DeliveryState, SinkReport};
use chutes_test_support::{Finished, Sandbox, finish};
use serde_json::{Value, json};

/// The command that runs a job of `tests/jobs/uploads.rs` in the directory `run`.
fn command(sandbox: &Sandbox, job: &str, data: &Value, more: &[&str]) -> Command {
    let data = data.to_string();
    let arguments = ["run", job, "--data", &data, "--run-dir", "run", "--json"];
    sandbox.command(&[&arguments[..], more].concat())
}

/// Runs it to its end.
#[track_caller]
fn run(sandbox: &Sandbox, data: &Value, more: &[&str]) -> Finished {
    finish(command(sandbox, "delivers", data, more))
}

/// Delivers what is missing.
#[track_caller]
fn recover(sandbox: &Sandbox, environment: &[(String, String)]) -> Outcome {
    let mut command = sandbox.command(&["recover", "run", "--json"]);
    command.envs(environment.iter().cloned());
    recovered(&finish(command))
}

/// The outcome that `recover` printed. The exit code is 0 when everything has arrived by now, however the run ended.
#[track_caller]
fn recovered(finished: &Finished) -> Outcome {
    let outcome: Outcome = serde_json::from_str(&finished.stdout).unwrap();
    let expected = if outcome.sinks.iter().all(SinkReport::is_complete) { 0 } else { 3 };
    assert_eq!(finished.code, Some(expected), "{finished:#?}");
    outcome
}

/// Data for the job `delivers`: files with these sizes in bytes.
fn files(files: &[(&str, usize)]) -> Value {
    let files = files.iter().map(|(path, bytes)| json!({"path": path, "bytes": bytes}));
    json!({"files": files.collect::<Vec<_>>()})
}

/// The content of an output in the directory of the run.
#[track_caller]
fn output(sandbox: &Sandbox, path: &str) -> Vec<u8> {
    std::fs::read(sandbox.path("run/outputs").join(path)).unwrap()
}

/// Writes addresses into a file for `--output @FILE`, which other users cannot read.
fn addresses(sandbox: &Sandbox, lines: &[String]) {
    std::fs::write(sandbox.path("addresses"), lines.join("\n")).unwrap();
}

/// The outcome of a run whose job finished, and whose files did not all arrive.
#[track_caller]
fn incomplete(finished: &Finished) -> Outcome {
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(outcome.status().to_string(), "failed");
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::OutputsIncomplete);
    outcome
}

/// The outcome of a run that completed, with everything at all sinks.
#[track_caller]
fn complete(finished: &Finished) -> Outcome {
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(outcome.sinks.iter().all(SinkReport::is_complete), "{finished:#?}");
    let mut files = outcome.outputs.iter().chain(&outcome.logs);
    let is_delivered = |state: &DeliveryState| *state == DeliveryState::Delivered;
    assert!(files.all(|file| {
        let mut skips = outcome.sinks.iter().map(|sink| sink.skipped > 0);
        file.deliveries.len() == outcome.sinks.len()
            && file.deliveries.iter().all(|it| skips.next().unwrap() || is_delivered(&it.state))
    }));
    outcome
}

/// Why a file failed at the only sink that should have it and has not.
#[track_caller]
fn reason<'a>(outcome: &'a Outcome, path: &str) -> &'a str {
    let file = outcome.outputs.iter().find(|file| file.path == *path).unwrap();
    let mut reasons = file.deliveries.iter().filter_map(|delivery| match &delivery.state {
        DeliveryState::Failed { reason } => Some(reason.as_str()),
        _ => None,
    });
    let reason = reasons.next().unwrap_or_else(|| panic!("`{path}` did not fail: {outcome:#?}"));
    assert_eq!(reasons.next(), None, "{outcome:#?}");
    reason
}

/// Checks that these texts are only in `sinks.json`, which exists as long as something is missing.
#[track_caller]
fn hidden(sandbox: &Sandbox, finished: &Finished, secrets: &[&str]) {
    let mut texts = vec![
        ("standard output".to_owned(), finished.stdout.clone()),
        ("standard error".to_owned(), finished.stderr.clone()),
    ];
    let outcome = finished.printed_outcome();
    let is_complete = outcome.sinks.iter().all(SinkReport::is_complete);
    assert_eq!(sandbox.path("run/sinks.json").exists(), !is_complete, "{outcome:#?}");
    texts_below(&sandbox.path("run"), &mut texts);
    for (name, text) in texts.iter().filter(|(name, _)| !name.ends_with("/sinks.json")) {
        for secret in secrets {
            assert!(!text.contains(secret), "`{secret}` is in {name}: {text}");
        }
    }
}

fn texts_below(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_below(&path, texts);
        } else {
            let content = std::fs::read(&path).unwrap();
            texts
                .push((path.display().to_string(), String::from_utf8_lossy(&content).into_owned()));
        }
    }
}
