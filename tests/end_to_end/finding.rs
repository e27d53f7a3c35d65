//! Runs are found again, whether they go on, have ended or were interrupted: `ps`, `show`, `logs`.

mod logs;
mod ps;
mod show;

use std::path::Path;

use chutes_test_support::{Running, Sandbox};
use rustix::process::Signal;
use serde_json::Value;

use crate::programs::new_sandbox;

/// The lines of JSON that a command printed.
fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Starts a job that goes on until [`let_go`].
fn start_waiting(sandbox: &Sandbox, name: &str) -> Running {
    let mut running = sandbox.start(&format!("run waits_for_a_file --run-dir {name}"));
    running.wait_for("ready");
    running
}

#[track_caller]
fn let_go(sandbox: &Sandbox, name: &str, running: Running) {
    std::fs::write(sandbox.path(name).join("scratch/go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
}

/// A run whose supervisor was killed while its job went on.
fn killed(sandbox: &Sandbox, name: &str) {
    let running = start_waiting(sandbox, name);
    running.signal(Signal::KILL);
    running.finish_killed();
}

/// The id of a run, by the first record of its log.
fn id_of(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("run.jsonl")).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    first["run"]["id"].as_str().unwrap().to_owned()
}

/// One run of each kind: `runs/completed`, `runs/failed`, `runs/killed`, `runs/living`.
fn several() -> (Sandbox, Running) {
    let sandbox = new_sandbox();
    assert_eq!(sandbox.run("run echo --set epochs=1 --run-dir runs/completed").code, Some(0));
    assert_eq!(sandbox.run("run fails --run-dir runs/failed").code, Some(1));
    killed(&sandbox, "runs/killed");
    let living = start_waiting(&sandbox, "runs/living");
    (sandbox, living)
}
