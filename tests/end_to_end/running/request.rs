//! A run is handed over as one request: by a file, a descriptor or standard input.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use chutes::contract::JobName;
use chutes::data::Json;
use chutes::request::{Attempt, LabelName, RunRequest};
use chutes::run::RunId;
use chutes::spec::JobSpec;
use chutes_test_support::record::journal;
use chutes_test_support::{Finished, Sandbox, finish, start};
use rustix::process::Signal;
use serde_json::Value;

use crate::programs::{JOBS, PROGRAMS, new_sandbox};

/// A request for a job that writes files, in the directory `run`.
fn request(sandbox: &Sandbox, job: &'static str, data: &str) -> RunRequest {
    let spec = JobSpec::job(JobName::new(job).unwrap(), Json::parse(data).unwrap());
    RunRequest::new(RunId::from_bytes([7; 16]), spec, sandbox.path("run"))
}

/// Runs the job binary with this text as `request.json`.
fn run(sandbox: &Sandbox, text: &str) -> Finished {
    std::fs::write(sandbox.path("request.json"), text).unwrap();
    finish(sandbox.command(&["run", "--request", "request.json", "--json"]))
}

#[test]
fn everything_about_an_attempt_comes_with_it() {
    let sandbox = new_sandbox();
    let mut request = request(&sandbox, "leaves_a_helper", r#"{"files": 2}"#);
    request.attempt = Attempt::new(3).unwrap();
    request.labels.insert(LabelName::new("team").unwrap(), "vision".to_owned());
    request.requested_by = Some("ada".to_owned());
    request.sinks = vec![sandbox.path("backup").display().to_string().parse().unwrap()];
    let finished = run(&sandbox, &request.to_json().unwrap());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let outcome: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(outcome["run_id"], "07070707-0707-0707-0707-070707070707");
    assert!(sandbox.path("backup/outputs/part-1/1.txt").is_file());
    let begin = &journal(&sandbox.path("run"))[0]["run"];
    assert_eq!((&begin["attempt"], &begin["requested_by"]), (&3.into(), &"ada".into()));
    assert_eq!(begin["labels"]["team"], "vision");
}

#[test]
fn from_a_descriptor_and_from_standard_input() {
    for from in ["fd:0", "-"] {
        let sandbox = new_sandbox();
        let request = request(&sandbox, "leaves_a_helper", r#"{"files": 1}"#).to_json().unwrap();
        std::fs::write(sandbox.path("request.json"), request).unwrap();
        let mut command = sandbox.command(&["run", "--request", from]);
        command.stdin(std::fs::File::open(sandbox.path("request.json")).unwrap());
        let finished = finish(command);
        assert_eq!(finished.code, Some(0), "{from}: {finished:?}");
    }
}

/// A request may hold secrets, and events could be forged.
#[test]
fn the_job_inherits_no_descriptor_of_its_supervisor() {
    let sandbox = new_sandbox();
    let request = request(&sandbox, "lists_its_descriptors", "null").to_json().unwrap();
    std::fs::write(sandbox.path("request.json"), request).unwrap();
    let script =
        r#"exec "$0" run --request fd:9 --events fd:8 --json 9<request.json 8>>events.jsonl"#;
    let finished = finish(sandbox.program(&["sh", "-c", script, JOBS]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let outcome: Value = serde_json::from_str(&finished.stdout).unwrap();
    let targets = outcome["result"].as_array().unwrap();
    let of_test = |target: &&Value| target.as_str().unwrap().contains(".json");
    assert_eq!(targets.iter().find(of_test), None, "{targets:?}");
    assert!(!std::fs::read(sandbox.path("events.jsonl")).unwrap().is_empty());
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is_made() {
    let sandbox = new_sandbox();
    let good = request(&sandbox, "leaves_a_helper", "{}").to_json().unwrap();
    for (text, expected) in [
        (good.replace(r#"{"version":1,"#, r#"{"version":7,"#), "has version 7"),
        (good.replace("\"leaves_a_helper\"", "\"no_such_job\""), "no_such_job"),
        (good.replace(r#"{"version":1,"#, r#"{"version":1,"speed":9,"#), "speed"),
        ("[".repeat(100_000), "not JSON"),
    ] {
        let finished = run(&sandbox, &text);
        let is_right = finished.code == Some(2) && finished.stderr.contains(expected);
        assert!(is_right && !sandbox.path("run").exists(), "{expected}: {finished:?}");
    }
}

/// A program that supervises attempts without a command line.
fn embed(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let program: PathBuf = PROGRAMS.neighbour("embed");
    let mut command = sandbox.program(&[&program.display().to_string()]);
    command.args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn a_program_of_its_own_supervises_a_job_of_another_binary() {
    let sandbox = new_sandbox();
    let arguments = ["run", "job", JOBS, "leaves_a_helper", r#"{"files": 2}"#];
    let finished = finish(embed(&sandbox, &arguments));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("completed with 2 files"), "{finished:?}");
}

#[test]
fn what_it_leaves_when_it_is_killed_is_recovered() {
    let sandbox = new_sandbox();
    let arguments = ["runs/a", "job", JOBS, "waits_for_a_file", "null"];
    let mut running = start(embed(&sandbox, &arguments));
    running.wait_for("Phase { phase: Execute");
    running.signal(Signal::KILL);
    running.finish_killed();
    let finished = sandbox.run("recover runs --json");
    let outcome: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(outcome["status"], "platform_failed", "{finished:?}");
    assert_eq!(outcome["failure"]["kind"], "supervisor_lost");
    let again = sandbox.run("recover runs --json");
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap()["run_id"], outcome["run_id"]);
}
