//! Images that run without their terminal: `exec --detach`.

use chutes::Outcome;
use chutes::outcome::EndStatus;
use chutes_test_support::{finish, start};
use rustix::process::{Signal, kill_process};

use crate::detached::supervisor_in;
use crate::stage::{Stage, shell};

/// Runs a script in a container that is left alone, once it has begun.
#[track_caller]
fn detached(script: &str) -> Stage {
    let stage = Stage::new();
    let mut command = stage.command(&shell(script));
    command.arg("--detach");
    let started = finish(command);
    assert_eq!(started.code, Some(0), "{started:#?}");
    stage.wait_for("outputs/begun");
    assert_eq!(stage.engine.containers().len(), 1);
    stage
}

/// Detached, followed, asked what it uses, and stopped: its outputs are kept, and nothing is left.
#[test]
fn an_image_that_is_left() {
    let script = "echo ready; printf 1 > /output/a; touch /output/begun; sleep 1000";
    let stage = detached(script);
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

/// The supervisor is killed while the run is followed: the follower says so, and `recover` finishes the run.
#[test]
fn an_image_whose_supervisor_is_killed() {
    let stage = detached("printf 1 > /output/a; touch /output/begun; sleep 1000");
    let mut attached = start(stage.chutes(&["attach", "run"]));
    attached.wait_for("attached to the run");
    let supervisor = supervisor_in(&stage.sandbox.path("")).unwrap();
    kill_process(supervisor, Signal::KILL).unwrap();
    let lost = attached.finish();
    assert_eq!(lost.code, Some(4), "{lost:#?}");
    assert!(lost.stderr.contains("recover"), "{lost:#?}");
    let recovered = finish(stage.chutes(&["recover", "run", "--json"]));
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    let outcome: Outcome = serde_json::from_str(&recovered.stdout).unwrap();
    assert_eq!(outcome.status(), EndStatus::PlatformFailed);
    assert_eq!(stage.engine.containers(), [""; 0]);
    assert_eq!(stage.read("outputs/a"), b"1");
}
