//! Runs the binary as a user does: trains, is interrupted, continues, and checks what is there then.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod program;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use self::program::{checkpoint, train, verified_files};

/// The exit code, and the outcome that `--json` prints.
fn outcome(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Starts a training, interrupts it when a line of its log has this text, and waits for its end.
fn interrupted(command: &mut Command, text: &str) -> (Option<i32>, Value) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains(text) {
        assert_ne!(log.read_line(&mut seen).unwrap(), 0, "no {text:?} in:\n{seen}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    log.read_to_string(&mut seen).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_training_beats_the_majority_and_delivers_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let (code, outcome) = outcome(&mut train(&run_dir, &["epochs=6", "checkpoint_every=2"]));
    assert_eq!((code, &outcome["status"]), (Some(0), &"completed".into()));

    let result = &outcome["result"];
    assert_eq!((&result["finished"], &result["epochs"]), (&true.into(), &6.into()));
    let [trained, majority] = ["test_accuracy", "majority_accuracy"].map(|key| &result[key]);
    assert!(trained.as_f64() > majority.as_f64().map(|share| share + 0.1), "{result}");

    let expected = [2, 4, 6].map(checkpoint).into_iter();
    let expected =
        expected.chain(["loss.svg", "metrics.json", "model.safetensors"].map(Into::into));
    assert_eq!(verified_files(&run_dir), expected.collect::<Vec<_>>());
}

#[test]
fn an_interrupted_training_loses_nothing_and_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let endless = &["epochs=9999", "checkpoint_every=3"];
    let (code, outcome_of_first) = interrupted(&mut train(&first, endless), "epoch 4/9999");
    assert_eq!((code, &outcome_of_first["status"]), (Some(130), &"cancelled".into()));
    assert_eq!(outcome_of_first["result"]["finished"], false);
    let reached = outcome_of_first["result"]["epochs"].as_u64().unwrap();
    assert!(reached >= 4, "{outcome_of_first}");

    let files = verified_files(&first);
    for expected in [checkpoint(3), checkpoint(reached), "metrics.json".into(), "loss.svg".into()] {
        assert!(files.contains(&expected), "no {expected} in {files:?}");
    }
    assert!(!files.contains(&"model.safetensors".to_owned()), "{files:?}");

    std::fs::create_dir_all(second.join("inputs")).unwrap();
    std::fs::rename(first.join("outputs/checkpoints"), second.join("inputs/checkpoints")).unwrap();
    let goal = reached + 2;
    let (code, outcome_of_second) = outcome(&mut train(&second, &[&format!("epochs={goal}")]));
    assert_eq!(code, Some(0));
    let result = &outcome_of_second["result"];
    assert_eq!((&result["resumed_from"], &result["epochs"]), (&reached.into(), &goal.into()));
    assert!(verified_files(&second).contains(&checkpoint(goal)));
    let log = std::fs::read_to_string(second.join("logs/stderr.log")).unwrap();
    assert!(log.contains(&format!("epoch {}/{goal}", reached + 1)), "{log}");
    assert!(!log.contains(&format!("epoch {reached}/{goal}")), "{log}");
}

#[test]
fn a_setting_that_is_misspelt_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, outcome) = outcome(&mut train(&folder.path().join("run"), &["epoch=3"]));
    assert_eq!((code, &outcome["status"]), (Some(2), &"rejected".into()));
}
