//! The directory of a run: which one, when it is refused, and which users can read it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chutes_test_support::machine::names_in;
use chutes_test_support::{Finished, finish, start};

use crate::programs::new_sandbox;

const LAYOUT: [&str; 7] =
    ["inputs", "logs", "manifest.json", "outcome.json", "outputs", "run.jsonl", "scratch"];

/// The name of the directory that is made when none is given.
#[test]
fn default_name() {
    let sandbox = new_sandbox();
    let outcome = sandbox.run("run echo --set epochs=1 --json").outcome();
    let names = names_in(&sandbox.path("runs"));
    let id = outcome.run_id.to_string();
    assert_eq!(names, [format!("echo-{}", &id[id.len() - 8..])]);
    assert_eq!(Path::new(&outcome.run_dir), sandbox.path("runs").join(&names[0]));
    assert_eq!(names_in(outcome.run_dir.as_ref()), LAYOUT);
    assert_eq!(sandbox.entries(), ["runs"]);
}

#[test]
fn new_and_empty() {
    for (name, exists) in [("new", false), ("a/b/new", false), ("empty", true)] {
        let sandbox = new_sandbox();
        if exists {
            std::fs::create_dir(sandbox.path(name)).unwrap();
        }
        let outcome =
            sandbox.run(&format!("run echo --set epochs=1 --json --run-dir {name}")).outcome();
        assert_eq!(Path::new(&outcome.run_dir), sandbox.path(name));
        assert_eq!(names_in(&sandbox.path(name)), LAYOUT);
    }
}

/// With absolute paths, a run needs no working directory.
#[test]
fn working_directory_is_gone() {
    let sandbox = new_sandbox();
    let wrapper = ["sh", "-c", "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"", "sh"];
    let (run, output) = (sandbox.path("run"), sandbox.path("delivered"));
    let [run, output] = [&run, &output].map(|path| path.to_str().unwrap());
    let words = ["run", "echo", "--set", "epochs=1", "--run-dir", run, "--json", "--output"];
    let finished = finish(sandbox.wrapped(&wrapper, &[&words[..], &[output]].concat()));
    assert_eq!(finished.outcome().status().to_string(), "completed", "{finished:#?}");
    assert!(sandbox.path("delivered/manifest.json").exists());
    let finished = finish(sandbox.wrapped(&wrapper, &[&words[..], &["relative"]].concat()));
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("the working directory is unknown"), "{finished:#?}");
}

#[test]
fn inputs_are_left_for_the_job() {
    let sandbox = new_sandbox();
    std::fs::create_dir_all(sandbox.path("run/inputs")).unwrap();
    for name in ["a", "b"] {
        std::fs::write(sandbox.path("run/inputs").join(name), name).unwrap();
    }
    let finished = sandbox.run("run shows_its_context --run-dir run --json");
    let result = finished.outcome().result.unwrap().to::<serde_json::Value>().unwrap();
    assert_eq!(result["inputs"], 2);
    assert_eq!(names_in(&sandbox.path("run/inputs")), ["a", "b"]);
}

#[track_caller]
fn check_refused(finished: &Finished, directory: &Path) {
    check_refused_with(finished, directory, &[NAME_ANOTHER]);
}

const NAME_ANOTHER: &str =
    "hint: name a directory that is new, empty, or holds nothing but `inputs/`";

#[track_caller]
fn check_refused_with(finished: &Finished, directory: &Path, hints: &[&str]) {
    let error = format!("error: the run directory `{}` is not empty", directory.display());
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_eq!(finished.errors(), [error]);
    let hint = finished.stderr.lines().last().unwrap();
    assert!(hints.contains(&hint), "{hint}");
    assert_eq!(finished.stdout, "");
}

#[test]
fn not_empty() {
    for name in ["outputs", ".hidden", "inputs-2"] {
        let sandbox = new_sandbox();
        std::fs::create_dir(sandbox.path("run")).unwrap();
        std::fs::write(sandbox.path("run").join(name), "mine").unwrap();
        let finished = sandbox.run("run echo --set epochs=1 --run-dir run --json");
        check_refused(&finished, &sandbox.path("run"));
        assert_eq!(names_in(&sandbox.path("run")), [name]);
        assert_eq!(std::fs::read(sandbox.path("run").join(name)).unwrap(), b"mine");
    }
}

#[test]
fn used_by_another_run() {
    let sandbox = new_sandbox();
    let first = sandbox.run("run echo --set epochs=1 --run-dir run --json");
    let second = sandbox.run("run echo --set epochs=1 --run-dir run --json");
    check_refused(&second, &sandbox.path("run"));
    // The record of the first is as it was.
    assert_eq!(first.outcome().status().to_string(), "completed");
}

/// Of two runs that begin at the same time in one directory exactly one starts, and the other reports
/// that the directory is taken, which is no platform failure.
#[test]
fn two_at_once() {
    for _ in 0..25 {
        let sandbox = new_sandbox();
        let command = "run echo --set epochs=1 --run-dir run --json";
        let both = [sandbox.start(command), sandbox.start(command)];
        let mut both = both.map(chutes_test_support::Running::finish);
        both.sort_by_key(|finished| finished.code);
        let [winner, loser] = both;
        assert_eq!(winner.outcome().status().to_string(), "completed");
        // It may check before there is a journal, or after.
        let in_progress = "hint: a run is in progress in it; name another directory for this one";
        check_refused_with(&loser, &sandbox.path("run"), &[NAME_ANOTHER, in_progress]);
    }
}

/// The platform cannot make the directory.
#[track_caller]
fn check_impossible(finished: &Finished, directory: &Path, cause: &str) {
    let error = format!("error: cannot create the run directory `{}`", directory.display());
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    assert_eq!(finished.errors(), [error, format!("  caused by: {cause}")]);
    assert_eq!(finished.stdout, "");
}

#[test]
fn in_the_way_is_a_file() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("file"), "mine").unwrap();
    let finished = sandbox.run("run echo --set epochs=1 --run-dir file/run --json");
    check_impossible(&finished, &sandbox.path("file/run"), "Not a directory (os error 20)");
    let finished = sandbox.run("run echo --set epochs=1 --run-dir file --json");
    check_impossible(&finished, &sandbox.path("file"), "File exists (os error 17)");
    assert_eq!(std::fs::read(sandbox.path("file")).unwrap(), b"mine");
}

/// Root may write everywhere as long as it has its capabilities, so they are taken away.
#[test]
fn parent_is_read_only() {
    let sandbox = new_sandbox();
    let parent = sandbox.path("parent");
    std::fs::create_dir(&parent).unwrap();
    std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o555)).unwrap();
    let wrapper: &[_] = if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    } else {
        &[]
    };
    let arguments = ["run", "echo", "--set", "epochs=1", "--run-dir", "parent/run"];
    let finished = finish(sandbox.wrapped(wrapper, &arguments));
    check_impossible(&finished, &parent.join("run"), "Permission denied (os error 13)");
}

/// Data, logs and outputs may hold secrets: only the owner can read them.
#[test]
fn nobody_else_can_read() {
    for (name, exists) in [("new", false), ("a/new", false), ("shared", true)] {
        let sandbox = new_sandbox();
        if exists {
            std::fs::create_dir(sandbox.path(name)).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(sandbox.path(name), mode).unwrap();
        }
        let arguments = ["run", "echo", "--set", "epochs=1", "--json", "--run-dir", name];
        // With a mask that takes nothing away.
        let wrapper = ["sh", "-c", "umask 000 && exec \"$@\"", "sh"];
        let finished = finish(sandbox.wrapped(&wrapper, &arguments));
        let root = finished.outcome().run_dir;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        if mode(root.as_ref()) == 0o700 {
            continue;
        }
        assert!(exists, "{name} is open to others: {:o}", mode(root.as_ref()));
        for entry in LAYOUT.map(|entry| Path::new(&root).join(entry)) {
            let others = mode(&entry) & 0o077;
            assert!(others == 0, "{} is open to others: {others:o}", entry.display());
        }
    }
}

/// A job has the environment of the caller: its directories are paths, not settings of
/// the process.
#[test]
fn process_is_left_alone() {
    let sandbox = new_sandbox();
    let arguments = ["run", "shows_its_context", "--json"];
    for temporary in [None, Some("/somewhere")] {
        let mut command = sandbox.command(&arguments);
        command.envs(temporary.map(|path| ("TMPDIR", path)));
        let result = finish(command).outcome().result.unwrap();
        let result = result.to::<serde_json::Value>().unwrap();
        assert_eq!(result["temporary_directory"].as_str(), temporary);
        assert_eq!(
            result["working_directory"],
            sandbox.path("").to_str().unwrap().trim_end_matches('/')
        );
    }
}

/// The journal is there from the beginning, so that a killed run can be recognised.
#[test]
fn journal_of_a_run_in_progress() {
    let sandbox = new_sandbox();
    let arguments = ["run", "waits_for_a_file", "--run-dir", "run", "--json"];
    let mut running = start(sandbox.command(&arguments));
    running.wait_for("ready");
    let steps = ["received", "accepted", "executor_ready"];
    assert_eq!(chutes_test_support::record::statuses(&sandbox.path("run")), steps);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    assert_eq!(running.finish().outcome().status().to_string(), "completed");
}
