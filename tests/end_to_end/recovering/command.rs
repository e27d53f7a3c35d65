//! The command `recover`: one run or many, its exit codes, what it prints.

use std::path::Path;

use chutes_test_support::machine::names_in;
use chutes_test_support::{Sandbox, start};
use rustix::process::Signal;

use super::{EXECUTION, HOOKS, RUN, STOP, TEAR, crashes, is_killed, marked, run_json, with_fault};
use crate::programs::new_sandbox;

/// Runs the job in this directory and kills its supervisor.
#[track_caller]
fn crash_in(sandbox: &Sandbox, name: &str, fault: &str, record: usize) {
    let arguments = [&RUN[..], &["--run-dir", name]].concat();
    assert!(is_killed(with_fault(sandbox, &arguments, fault, record)));
}

/// All runs of a folder are recovered, whatever is wrong with some of them.
#[test]
fn a_folder() {
    let sandbox = new_sandbox();
    std::fs::create_dir_all(sandbox.path("runs/a-folder")).unwrap();
    std::fs::write(sandbox.path("runs/a-file"), "mine").unwrap();
    crash_in(&sandbox, "runs/b-empty", TEAR, 1);
    std::fs::create_dir_all(sandbox.path("runs/c-foreign")).unwrap();
    std::fs::write(sandbox.path("runs/c-foreign/run.jsonl"), "{\"name\": \"mine\"}\n").unwrap();
    let mut living = sandbox.start("run waits_for_a_file --run-dir runs/d-living");
    living.wait_for("ready");
    crash_in(&sandbox, "runs/e-completed", STOP, EXECUTION);
    crash_in(&sandbox, "runs/f-lost", STOP, HOOKS);
    assert!(sandbox.run("run echo --set epochs=1 --run-dir runs/g-whole").code == Some(0));
    let foreign = run_json(&sandbox.path("runs/c-foreign"));

    // The folder `runs` is the default.
    let recovered = sandbox.run("recover --json");
    assert_eq!(recovered.code, Some(4), "{recovered:#?}");
    let outcomes = recovered.stdout.lines().map(|line| {
        let outcome: chutes::Outcome = serde_json::from_str(line).unwrap();
        let name = Path::new(&outcome.run_dir).file_name().unwrap().to_str().unwrap().to_owned();
        (name, outcome.status().to_string())
    });
    let expected =
        [("e-completed", "completed"), ("f-lost", "platform_failed"), ("g-whole", "completed")];
    let expected = expected.map(|(name, status)| (name.to_owned(), status.to_owned()));
    assert_eq!(outcomes.collect::<Vec<_>>(), expected, "{recovered:#?}");
    for part in
        ["b-empty", "c-foreign", "d-living is in progress", "g-whole is in order: completed"]
    {
        assert!(recovered.stderr.contains(part), "{part}: {recovered:#?}");
    }
    assert_eq!(run_json(&sandbox.path("runs/c-foreign")), foreign);
    assert_eq!(names_in(&sandbox.path("runs/c-foreign")), ["run.jsonl"]);
    assert_eq!(marked(&sandbox), []);

    std::fs::write(sandbox.path("runs/d-living/scratch/go"), "").unwrap();
    assert_eq!(living.finish().code, Some(0));
}

/// A run in progress does not affect the recovery of others.
#[test]
fn a_folder_in_order() {
    let sandbox = new_sandbox();
    assert_eq!(sandbox.run("run echo --set epochs=1 --run-dir runs/a").code, Some(0));
    let mut living = sandbox.start("run waits_for_a_file --run-dir runs/b");
    living.wait_for("ready");
    let recovered = sandbox.run("recover runs");
    assert_eq!((recovered.code, &*recovered.stdout), (Some(0), ""), "{recovered:#?}");
    std::fs::write(sandbox.path("runs/b/scratch/go"), "").unwrap();
    assert_eq!(living.finish().code, Some(0));
}

#[test]
fn nothing_there() {
    let sandbox = new_sandbox();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    std::fs::write(sandbox.path("file"), "mine").unwrap();
    let at = |name: &str| sandbox.path(name).display().to_string();
    for (name, expected) in [
        ("empty", format!("there is no run in `{}`", at("empty"))),
        (
            "missing",
            format!("cannot read `{}`: No such file or directory (os error 2)", at("missing")),
        ),
        ("file", format!("cannot read `{}`: Not a directory (os error 20)", at("file"))),
    ] {
        let recovered = sandbox.run(&format!("recover {name} --json"));
        assert_eq!((recovered.code, &*recovered.stdout), (Some(2), ""), "{recovered:#?}");
        assert_eq!(recovered.errors(), [format!("error: {expected}")]);
    }
    assert_eq!(sandbox.entries(), ["empty", "file"]);
}

/// The end of the job that is on record decides, in whatever way it ended. The exit code says that the run is in order.
#[test]
fn exit_codes() {
    for (arguments, last, status) in [
        (&["fails"][..], EXECUTION, "failed"),
        (&["panics"], EXECUTION, "failed"),
        (&["echo", "--set", "epochs=no"], 4, "rejected"),
        (&["stops_when_asked", "--time-limit", "1"], EXECUTION + 1, "timed_out"),
        (&["echo", "--set", "epochs=1"], EXECUTION + 2, "completed"),
    ] {
        let sandbox = new_sandbox();
        let arguments = [&["run"], arguments].concat();
        assert!(crashes(&sandbox, &arguments, STOP, last), "{arguments:?}");
        let (recovered, outcome) = super::recover(&sandbox, "run");
        assert_eq!(recovered.code, Some(0), "{recovered:#?}");
        assert_eq!(outcome.status().to_string(), status);
        let words = status.replace('_', " ");
        assert!(
            recovered.stderr.contains(&format!("/run is finished: {words}\n")),
            "{recovered:#?}"
        );
    }
}

/// A run that was being cancelled when its supervisor was killed does not count as cancelled: that is unknown.
#[test]
fn killed_while_stopping() {
    let sandbox = new_sandbox();
    let arguments = ["run", "ignores_cancellation", "--run-dir", "run", "--grace", "1h"];
    let mut running = start(sandbox.command(&arguments));
    running.wait_for("ready");
    running.signal(Signal::INT);
    running.wait_for("stopping: the run was cancelled");
    running.signal(Signal::KILL);
    drop(running);
    let (recovered, outcome) = super::recover(&sandbox, "run");
    assert_eq!(recovered.code, Some(0));
    assert_eq!(chutes_test_support::record::collected(&outcome), ["partial.txt"]);
}

#[test]
fn help() {
    let sandbox = new_sandbox();
    let help = sandbox.run("recover --help");
    for part in [
        "platform_failed",
        "Doing it again changes nothing",
        "Exit codes, which say",
        "[default: runs]",
    ] {
        assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
    }
}
