//! Runs the binary as a user does: a batch of good and bad items, a file, and data that is wrong.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Runs a job in this directory, and returns its exit code and the outcome that `--json` prints.
fn run(job: &str, run_dir: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_batch-processor"))
        .args(["run", job, "--json", "--run-dir"])
        .arg(run_dir)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn output(run_dir: &Path, name: &str) -> String {
    std::fs::read_to_string(run_dir.join("outputs").join(name)).unwrap()
}

/// What `results.json` must say of `batch.json`.
fn expected_results() -> Value {
    json!([
        {
            "id": "hamlet",
            "status": "ok",
            "summary": {
                "sha256": "4870a5b88019a3afa304c8ab00d2b953294f5dc99326607a0a5a33a38b733b2f",
                "kind": "text",
                "lines": 2,
                "words": 10,
                "distinct_words": 8,
                "most_frequent": "be",
            },
        },
        {
            "id": "measured",
            "status": "ok",
            "summary": {
                "sha256": "fa9f6cfde7876fd496bc563adf28c01945c75f371915d5fbbd0237b5515fdc7a",
                "kind": "numbers",
                "count": 4,
                "min": -1.0,
                "max": 7.0,
                "mean": 3.0,
            },
        },
        {
            "id": "misread",
            "status": "failed",
            "error": "`three` (number 3) is not a finite number",
        },
        { "id": "blank", "status": "failed", "error": "there is nothing in it" },
    ])
}

#[test]
fn a_batch_with_good_and_bad_items() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let data = concat!("@", env!("CARGO_MANIFEST_DIR"), "/batch.json");
    let (code, outcome) = run("batch_processing", &run_dir, &["--data", data]);
    assert_eq!((code, &outcome["status"]), (Some(0), &"completed".into()));
    let counts = json!({ "processed": 2, "failed": 2, "cancelled": 0, "total": 4 });
    assert_eq!(outcome["result"], counts);
    assert_eq!(outcome["warnings"], json!([]));

    let results: Value = serde_json::from_str(&output(&run_dir, "results.json")).unwrap();
    assert_eq!(results, expected_results());
    // Its lines are in the order in which the items were done; the hook has written all of them.
    assert_eq!(output(&run_dir, "journal.log").lines().count(), 4);
}

#[test]
fn data_that_does_not_fit_starts_nothing() {
    let good = r#""id": "a", "kind": "text", "content": "b""#;
    for (data, expected) in [
        ("{}".to_owned(), "missing field `items`"),
        (r#"{"items": [], "concurrency": 0}"#.to_owned(), "`concurrency`"),
        (format!(r#"{{"items": [{{{good}, "size": 3}}]}}"#), "`items[0].size`"),
        (r#"{"items": [{"id": "a", "kind": "picture"}]}"#.to_owned(), "unknown variant `picture`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("run");
        let (code, outcome) = run("batch_processing", &run_dir, &["--data", &data]);
        assert_eq!((code, &outcome["status"]), (Some(2), &"rejected".into()), "{data}");
        let message = outcome["failure"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
        assert!(!run_dir.join("outputs/journal.log").exists());
    }
}

#[test]
fn a_file_of_the_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    std::fs::create_dir_all(run_dir.join("inputs")).unwrap();
    std::fs::write(run_dir.join("inputs/numbers.txt"), "1 2 3\n").unwrap();
    let arguments = ["--set", "file=numbers.txt", "--set", "kind=numbers"];
    let (code, outcome) = run("summarise_file", &run_dir, &arguments);
    assert_eq!((code, &outcome["result"]["mean"]), (Some(0), &2.0.into()));
    let summary: Value = serde_json::from_str(&output(&run_dir, "summary.json")).unwrap();
    assert_eq!(summary, outcome["result"]);
}

#[test]
fn a_failure_says_whose_it_is_and_the_hook_still_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let arguments = ["--set", "file=none.txt", "--set", "kind=text"];
    let (code, outcome) = run("summarise_file", &run_dir, &arguments);
    assert_eq!((code, &outcome["failure"]["message"]), (Some(1), &"invalid input".into()));
    let causes = json!(["there is no file `none.txt` in the inputs"]);
    assert_eq!(outcome["failure"]["causes"], causes);
    assert_eq!(output(&run_dir, "journal.log"), "failed \"none.txt\": invalid input\n");
}
