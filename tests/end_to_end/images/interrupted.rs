//! `chutes` is killed: its container is found again, and the run has one outcome.

use std::process::Command;

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::finish;
use chutes_test_support::record::collected;
use chutes_test_support::servers::http::HttpServer;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{Stage, shell, with};

/// Writes, and never ends.
fn endless() -> Value {
    shell("printf 1 > /output/a; touch /output/begun; while true; do sleep 1; done")
}

/// Kills it when its container runs.
#[track_caller]
fn kill(stage: &Stage, spec: &Value) {
    let running = stage.start(spec);
    stage.wait_for("outputs/begun");
    running.signal(Signal::KILL);
    running.finish_killed();
}

/// The outcome records in the journal.
fn outcomes(stage: &Stage) -> usize {
    let records = chutes_test_support::record::journal(&stage.path(""));
    records.iter().filter(|record| record.get("outcome").is_some()).count()
}

#[test]
fn recover_removes_the_container_and_ends_the_run() {
    let stage = Stage::new();
    let server = HttpServer::of([]);
    let volumes = json!({"/output/a": {"type": "http_put", "url": server.url("/a")}});
    kill(&stage, &with(endless(), json!({"output_volumes": volumes})));
    let recovered = finish(stage.chutes(&["recover", "run", "--json"]));
    let outcome = recovered.recovered_outcome();
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::SupervisorLost);
    assert_eq!(collected(&outcome), ["a", "begun"]);
    assert_eq!(stage.engine.containers(), [""; 0]);
    assert_eq!(server.requests()[0].body, b"1");
    // Once more changes nothing.
    let again = finish(stage.chutes(&["recover", "run", "--json"]));
    assert_eq!(again.stdout, recovered.stdout);
    assert_eq!((outcomes(&stage), server.requests().len()), (1, 1));
}

/// The next run on the machine removes containers without a supervisor.
#[test]
fn next_run_removes_the_container() {
    let stage = Stage::new();
    kill(&stage, &endless());
    assert_eq!(stage.engine.containers().len(), 1);
    std::fs::write(stage.sandbox.path("other.json"), shell("true").to_string()).unwrap();
    let other = ["exec", "other.json", "--run-dir", "other", "--json"];
    let finished = finish(stage.chutes(&other));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(stage.engine.containers(), [""; 0], "{finished:#?}");
    // Its outputs are still there, and the run can still be ended.
    let outcome = finish(stage.chutes(&["recover", "run", "--json"])).recovered_outcome();
    assert_eq!(collected(&outcome), ["a", "begun"]);
}

/// A container whose supervisor lives is not removed by others.
#[test]
fn next_run_leaves_others_alone() {
    let stage = Stage::new();
    let script = "touch /output/begun; while [ ! -e /output/go ]; do sleep 0.1; done";
    let running = stage.start(&shell(script));
    stage.wait_for("outputs/begun");
    std::fs::write(stage.sandbox.path("other.json"), shell("true").to_string()).unwrap();
    let other = ["exec", "other.json", "--run-dir", "other", "--json"];
    assert_eq!(finish(stage.chutes(&other)).code, Some(0));
    assert_eq!(stage.engine.containers().len(), 1);
    std::fs::write(stage.path("outputs/go"), "").unwrap();
    assert_eq!(stage.ended(running.finish()).finished.code, Some(0));
}

/// Two at the same time want the same directory: one has it, the other is refused.
#[test]
fn second_copy() {
    let stage = Stage::new();
    let script = "touch /output/begun; while [ ! -e /output/go ]; do sleep 0.1; done";
    let running = stage.start(&shell(script));
    stage.wait_for("outputs/begun");
    let arguments = ["exec", "spec.json", "--run-dir", "run", "--json"];
    let second = finish(stage.chutes(&arguments));
    assert!(matches!(second.code, Some(2 | 4)), "{second:#?}");
    assert!(!second.errors().is_empty(), "{second:#?}");
    let recovered = finish(stage.chutes(&["recover", "run", "--json"]));
    assert_ne!(recovered.code, Some(0), "{recovered:#?}");
    std::fs::write(stage.path("outputs/go"), "").unwrap();
    let ended = stage.ended(running.finish());
    assert_eq!(ended.finished.code, Some(0), "{ended:#?}");
    assert_eq!(outcomes(&stage), 1);
}

/// Killed at any moment, a run has one outcome in the end.
#[test]
fn killed_at_any_record() {
    for record in 1..40 {
        let stage = Stage::new();
        let mut command: Command = stage.command(&shell("printf 1 > /output/a"));
        command.env("CHUTES_TEST_STOP_AFTER_RECORD", record.to_string());
        let status = command.stdout(std::process::Stdio::null()).status().unwrap();
        if status.success() {
            assert!(
                record > 5,
                "the fault had no effect: {}",
                stage.sandbox.programs().neighbour("chutes").display()
            );
            return;
        }
        let recovered = finish(stage.chutes(&["recover", "run", "--json"]));
        assert_eq!(stage.engine.containers(), [""; 0], "{record}: {recovered:#?}");
        if recovered.stdout.is_empty() {
            // Only the very first record can be missing.
            assert_eq!(record, 1, "{recovered:#?}");
            continue;
        }
        let outcome: Outcome = recovered.recovered_outcome();
        assert_eq!(outcomes(&stage), 1, "{record}: {outcome:#?}");
    }
    panic!("there is no end of records");
}
