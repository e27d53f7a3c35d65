//! Images that run without their terminal: `exec --detach`.

use chutes::Outcome;
use chutes::outcome::EndStatus;
use chutes_test_support::finish;

use crate::stage::{Stage, shell};

/// Detached, followed, asked what it uses, and stopped: its outputs are kept, and nothing is left.
#[test]
fn an_image_that_is_left() {
    let stage = Stage::new();
    let script = "echo ready; printf 1 > /output/a; touch /output/begun; sleep 1000";
    let mut command = stage.command(&shell(script));
    let started = finish({
        command.arg("--detach");
        command
    });
    assert_eq!(started.code, Some(0), "{started:#?}");
    stage.wait_for("outputs/begun");
    assert_eq!(stage.engine.containers().len(), 1);
    let shown = finish(stage.chutes(&["ps", "."]));
    assert!(shown.stdout.contains("running: execute"), "{shown:#?}");
    let cancelled = finish(stage.chutes(&["cancel", "run", "--now", "--wait"]));
    assert_eq!(cancelled.code, Some(0), "{cancelled:#?}");
    let outcome: Outcome = serde_json::from_slice(&stage.read("outcome.json")).unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    assert_eq!(stage.engine.containers(), [""; 0]);
    assert_eq!(stage.read("outputs/a"), b"1");
    let logs = finish(stage.chutes(&["logs", "run"]));
    assert_eq!(logs.stdout, "ready\n", "{logs:#?}");
}
