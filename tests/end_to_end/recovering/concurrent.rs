//! Two processes for the same run: there is one supervisor at a time.

use chutes::EndStatus;
use chutes_test_support::record::collected;
use chutes_test_support::{Finished, Running, Sandbox, start};
use rustix::process::Signal;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::{
    EXECUTION, HOOKS, MARK, OUTPUTS, PAUSE, RUN, STOP, count, crashes, marked, records, recover,
    run_json, wait_for_worker, with_fault,
};
use crate::programs::new_sandbox;

/// A process that has stopped right after a record, until it is continued.
fn start_paused(sandbox: &Sandbox, arguments: &[&str], record: usize) -> Running {
    stopped(start(with_fault(sandbox, arguments, PAUSE, record)))
}

/// Waits until the process has stopped.
#[track_caller]
pub(super) fn stopped(running: Running) -> Running {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(running.pid()), options).unwrap().unwrap();
    assert!(status.stopped(), "it has ended instead of stopping");
    running
}

/// The second process reports that the run is in progress, and changes nothing.
#[track_caller]
fn check_in_progress(sandbox: &Sandbox) {
    let (before, processes) = (run_json(&sandbox.path("run")), marked(sandbox).len());
    let shown = sandbox.path("run").display().to_string();
    let recovered = sandbox.run("recover run --json");
    assert_eq!((recovered.code, &*recovered.stdout), (Some(2), ""), "{recovered:#?}");
    assert_eq!(recovered.errors(), [format!("error: the run in `{shown}` is in progress")]);
    let refused = sandbox.run("run echo --set epochs=1 --run-dir run --json");
    check_refused(&refused, "a run is in progress in it; name another directory for this one");
    assert_eq!(run_json(&sandbox.path("run")), before);
    assert_eq!(marked(sandbox).len(), processes, "a process was ended");
}

#[track_caller]
fn check_refused(refused: &Finished, hint: &str) {
    assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{refused:#?}");
    assert!(refused.errors().last().unwrap().ends_with("is not empty"), "{refused:#?}");
    assert_eq!(refused.stderr.lines().last().unwrap(), format!("hint: {hint}"), "{refused:#?}");
}

/// The run is not affected by an attempt to recover it, at any record.
#[test]
fn of_a_living_run() {
    for record in [1, 2, 4, 7, 12] {
        let sandbox = new_sandbox();
        let arguments = [&RUN[..], &["--run-dir", "run"]].concat();
        let running = start_paused(&sandbox, &arguments, record);
        check_in_progress(&sandbox);
        running.signal(Signal::CONT);
        let finished = running.finish();
        let outcome = finished.outcome();
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert_eq!(collected(&outcome), OUTPUTS);
    }
}

#[test]
fn of_a_run_that_is_being_recovered() {
    let sandbox = new_sandbox();
    assert!(crashes(&sandbox, &RUN, STOP, HOOKS));
    wait_for_worker(&sandbox);
    let first = start_paused(&sandbox, &["recover", "run", "--json"], HOOKS + 1);
    check_in_progress(&sandbox);
    first.signal(Signal::CONT);
    let first = first.finish();
    assert_eq!(first.recovered_outcome().status().to_string(), "platform_failed");
    recover(&sandbox, "run");
}

/// Whichever process is faster, there is one outcome, and no process reports another one.
#[test]
fn two_at_once() {
    for _ in 0..15 {
        let sandbox = new_sandbox();
        assert!(crashes(&sandbox, &RUN, STOP, EXECUTION));
        let both = [sandbox.start("recover run --json"), sandbox.start("recover run --json")];
        let both = both.map(Running::finish);
        assert!(both.iter().any(|one| one.code == Some(0)), "{both:#?}");
        for one in &both {
            match one.code {
                Some(0) => assert_eq!(one.recovered_outcome().status().to_string(), "completed"),
                code => assert_eq!((code, &*one.stdout), (Some(2), ""), "{both:#?}"),
            }
        }
        let records = records(&sandbox.path("run"));
        assert_eq!((count(&records, "recovered"), count(&records, "outcome")), (1, 1));
    }
}

/// A run that was left in the directory of a new one is finished, and the new one is refused.
#[test]
fn a_new_run_in_its_directory() {
    for (last, status) in [(HOOKS, EndStatus::PlatformFailed), (EXECUTION, EndStatus::Completed)] {
        let sandbox = new_sandbox();
        assert!(crashes(&sandbox, &RUN, STOP, last));
        wait_for_worker(&sandbox);
        let mut command = sandbox.command(&["run", "echo", "--run-dir", "run", "--json"]);
        command.args(["--set", "epochs=1"]).env_remove(MARK);
        let refused = chutes_test_support::finish(command);
        let hint = format!(
            "a run was left unfinished in it and has been recovered: {status}; \
             name another directory for this one"
        );
        check_refused(&refused, &hint);
        let shown = status.to_string().replace("platform_failed", "the platform failed");
        assert!(refused.stderr.contains(&format!("{shown} in ")), "{refused:#?}");
        let before = run_json(&sandbox.path("run"));
        let (_, outcome) = recover(&sandbox, "run");
        assert_eq!(outcome.status(), status);
        assert_eq!(outcome.target.short_name(), "leaves_a_helper");
        assert_eq!(run_json(&sandbox.path("run")), before);
        let again = sandbox.run("run echo --set epochs=1 --run-dir run --json");
        let hint = "name a directory that is new, empty, or holds nothing but `inputs/`";
        check_refused(&again, hint);
        assert_eq!(run_json(&sandbox.path("run")), before);
    }
}

/// Finishing an old run can be interrupted, too, and continues the next time.
#[test]
fn a_new_run_is_interrupted() {
    let sandbox = new_sandbox();
    assert!(crashes(&sandbox, &RUN, STOP, EXECUTION));
    let arguments = ["run", "echo", "--set", "epochs=1", "--run-dir", "run"];
    let refused = start_paused(&sandbox, &arguments, EXECUTION + 1);
    refused.signal(Signal::INT);
    refused.signal(Signal::CONT);
    assert_eq!(refused.finish().code, Some(2));
    let (_, outcome) = recover(&sandbox, "run");
    assert_eq!(outcome.status().to_string(), "completed");
}
