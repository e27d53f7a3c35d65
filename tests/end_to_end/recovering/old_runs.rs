//! Runs of version 0.1.0, of which `tests/fixtures/runs-0.1.0` has the directories.
//!
//! Their journals have no pid: what is left of a run is found by the run id, in the environment of a process or in the
//! name of a cgroup. So the recovery of a copy ends no process, unless one of this very run lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chutes::outcome::FailureKind;
use chutes::{EndStatus, Outcome};
use chutes_test_support::Sandbox;
use chutes_test_support::record::{collected, statuses};

use super::{recover, run_json};
use crate::programs::new_sandbox;

const OUTPUTS: [&str; 2] = ["part-0/0.txt", "part-1/1.txt"];

/// Copies an old run into the sandbox, with the folders that were empty.
pub(crate) fn copy_run(sandbox: &Sandbox, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/runs-0.1.0").join(name);
    let to = sandbox.path(name);
    for folder in ["inputs", "logs", "outputs", "scratch"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
    }
    copy_folder(&from, &to);
    to
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// All files below a folder with their content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut contents(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            files.insert(path, content);
        }
    }
    files
}

/// Recovers a run that has its outcome: it is printed as it was recorded, and nothing is changed.
#[track_caller]
fn check_settled(name: &str, status: EndStatus, kind: Option<FailureKind>) -> Outcome {
    let sandbox = new_sandbox();
    let run = copy_run(&sandbox, name);
    let before = contents(&run);
    let recovered = sandbox.run(&format!("recover {name} --json"));
    let outcome = recovered.recovered_with(0);
    assert_eq!(outcome.status(), status, "{recovered:#?}");
    assert_eq!(outcome.ending.failure().map(|failure| failure.kind), kind, "{recovered:#?}");
    assert_eq!(outcome.run_dir, format!("/tmp/old-runs/{name}"));
    assert!(recovered.stderr.contains("is in order"), "{recovered:#?}");
    // Version 0.1.0 wrote no outcome as a file of its own, and its directories stay as they are.
    assert_eq!(contents(&run), before);
    outcome
}

#[test]
fn settled_runs_keep_their_outcome() {
    use EndStatus::{Completed, Failed, PlatformFailed, Rejected, TimedOut};
    let completed = check_settled("completed", Completed, None);
    assert_eq!(collected(&completed), OUTPUTS);
    assert_eq!(completed.result.unwrap().as_str(), "2");
    assert_eq!(completed.warnings.len(), 1);
    let failed = check_settled("failed", Failed, Some(FailureKind::JobError));
    assert_eq!(failed.ending.failure().unwrap().causes, ["invalid digit found in string"]);
    let timed_out = check_settled("timed_out", TimedOut, Some(FailureKind::TimeLimit));
    assert_eq!(timed_out.result.unwrap().as_str(), r#""stopped in time""#);
    check_settled("rejected", Rejected, Some(FailureKind::InvalidData));
    check_settled("horde_failed", PlatformFailed, Some(FailureKind::Platform));
    check_settled("recovered", PlatformFailed, Some(FailureKind::SupervisorLost));
}

/// A folder of old runs, of which all have their outcome.
#[test]
fn a_folder_of_settled_runs() {
    let sandbox = new_sandbox();
    for name in ["completed", "horde_failed"] {
        copy_run(&sandbox, name);
    }
    let recovered = sandbox.run("recover . --json");
    let statuses = recovered.stdout.lines().map(|line| {
        let outcome: Outcome = serde_json::from_str(line).unwrap();
        outcome.status().to_string()
    });
    assert_eq!(statuses.collect::<Vec<_>>(), ["completed", "platform_failed"], "{recovered:#?}");
}

#[test]
fn killed_while_the_job_ran() {
    let sandbox = new_sandbox();
    let run = copy_run(&sandbox, "killed_while_running");
    let before = run_json(&run);
    let (recovered, outcome) = recover(&sandbox, "killed_while_running");
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    assert_eq!(outcome.status(), EndStatus::PlatformFailed);
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::SupervisorLost);
    assert_eq!(collected(&outcome), OUTPUTS);
    // The journal goes on where the old supervisor has stopped, under the present names.
    assert!(run_json(&run).starts_with(&before));
    assert_eq!(statuses(&run), ["received", "accepted", "executor_ready", "execution_done"]);
}

/// The files are delivered to the sink that is on record, with its old name.
#[test]
fn killed_between_collecting_and_the_outcome() {
    let sandbox = new_sandbox();
    let run = copy_run(&sandbox, "killed_after_collected");
    let sinks = std::fs::read_to_string(run.join("sinks.json")).unwrap();
    let delivered = sandbox.path("delivered");
    let sinks = sinks.replace("/tmp/old-runs/delivered", delivered.to_str().unwrap());
    std::fs::write(run.join("sinks.json"), sinks).unwrap();
    let before = run_json(&run);
    let (recovered, outcome) = recover(&sandbox, "killed_after_collected");
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    assert_eq!(outcome.status(), EndStatus::Completed);
    assert_eq!(outcome.result.as_ref().unwrap().as_str(), "2");
    assert_eq!(collected(&outcome), OUTPUTS);
    assert!(run_json(&run).starts_with(&before));
    for path in OUTPUTS {
        let copy = std::fs::read(delivered.join("outputs").join(path)).unwrap();
        assert_eq!(copy, std::fs::read(run.join("outputs").join(path)).unwrap());
    }
}
