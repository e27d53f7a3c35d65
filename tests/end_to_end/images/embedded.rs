//! A program that knows no command line supervises an image: `examples/embed`.

use std::process::{Command, Stdio};

use chutes::outcome::FailureKind;
use chutes_test_support::containers::image;
use chutes_test_support::record::collected;
use chutes_test_support::{finish, start};
use rustix::process::Signal;

use crate::stage::Stage;

/// The program, with a script for the image.
fn embed(stage: &Stage, script: &str) -> Command {
    let mut command = stage.program("embed", &["run", "image", image::PLAIN, "sh", "-ec", script]);
    command.stdin(Stdio::null());
    command
}

#[test]
fn an_image_is_supervised_by_a_program_of_its_own() {
    let stage = Stage::new();
    let finished = finish(embed(&stage, "printf 1 > /output/a; echo said"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("completed with 1 files"), "{finished:?}");
    assert_eq!(stage.text("logs/stdout.log"), "said\n");
    assert_eq!(stage.engine.containers(), [""; 0]);
}

/// The program is killed: its container goes on, until `recover` ends the run.
#[test]
fn a_killed_program_leaves_a_run_that_can_be_recovered() {
    let stage = Stage::new();
    let script = "printf 1 > /output/a; touch /output/begun; while true; do sleep 1; done";
    let running = start(embed(&stage, script));
    stage.wait_for("outputs/begun");
    running.signal(Signal::KILL);
    running.finish_killed();
    assert_eq!(stage.engine.containers().len(), 1);
    let recovered = finish(stage.chutes(&["recover", "run", "--json"]));
    let outcome = recovered.recovered_outcome();
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::SupervisorLost);
    assert_eq!(collected(&outcome), ["a", "begun"]);
    assert_eq!(stage.engine.containers(), [""; 0]);
    let again = finish(stage.chutes(&["recover", "run", "--json"]));
    assert_eq!(again.stdout, recovered.stdout);
}
