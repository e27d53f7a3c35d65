//! `ps` lists what is there, whatever else is in the folder.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{id_of, json_lines, killed, let_go, several};
use crate::programs::{JOBS, new_sandbox};
use crate::recovering::old_runs::copy_run;

/// The words of a line of the table.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn runs_that_have_not_ended() {
    let (sandbox, living) = several();
    let short = |name: &str| id_of(&sandbox.path(name)).split_off(28);
    let listed = sandbox.run("ps");
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!(words(lines[0]), ["RUN", "JOB", "STATUS", "AGE", "TIME", "DONE", "CPU", "MEMORY"]);
    // The newest comes first.
    assert!(lines[1].starts_with(&short("runs/living")), "{listed:#?}");
    assert_eq!(words(lines[1])[1..4], ["waits_for_a_file", "running:", "execute"]);
    assert!(lines[2].starts_with(&short("runs/killed")), "{listed:#?}");
    assert_eq!(words(lines[2])[1..3], ["waits_for_a_file", "interrupted"]);
    assert_eq!(lines.len(), 3, "{listed:#?}");
    assert_eq!(
        listed.stderr,
        format!("hint: this finishes what was interrupted: {JOBS} recover runs\n")
    );
    let_go(&sandbox, "runs/living", living);
    assert_eq!(sandbox.run("recover").code, Some(0));
    let listed = sandbox.run("ps");
    assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 1), "{listed:#?}");
    assert_eq!(listed.stderr, "there is no run that has not ended in `runs`\n");
}

#[test]
fn all_runs() {
    let (sandbox, living) = several();
    let listed = sandbox.run("ps --all --json");
    let runs = json_lines(&listed.stdout);
    let states: Vec<_> = runs
        .iter()
        .map(|run| ["state", "status", "job"].map(|key| run[key].as_str().unwrap()))
        .collect();
    let expected = [
        ["running", "executor_ready", "waits_for_a_file"],
        ["interrupted", "executor_ready", "waits_for_a_file"],
        ["ended", "failed", "fails"],
        ["ended", "completed", "echo"],
    ];
    assert_eq!(states, expected, "{listed:#?}");
    assert_eq!((&runs[0]["phase"], &runs[1]["seconds"]), (&"execute".into(), &().into()));
    for (run, name) in runs.iter().zip(["living", "killed", "failed", "completed"]) {
        let directory = sandbox.path("runs").join(name);
        assert_eq!(run["run_dir"], directory.to_str().unwrap());
        assert_eq!(run["run_id"], id_of(&directory));
        assert!(run["began"].as_str().unwrap().ends_with('Z'));
    }
    let table = sandbox.run("ps --all");
    assert!(words(table.stdout.lines().nth(4).unwrap()).contains(&"completed"), "{table:#?}");
    let_go(&sandbox, "runs/living", living);
}

/// Runs of version 0.1.0 have no outcome as a file.
#[test]
fn old_runs() {
    let sandbox = new_sandbox();
    for name in ["completed", "rejected", "horde_failed", "killed_while_running"] {
        copy_run(&sandbox, name);
    }
    let listed = sandbox.run("ps . --all --json");
    let mut states: Vec<_> = json_lines(&listed.stdout)
        .iter()
        .map(|run| format!("{} {}", run["state"], run["status"]).replace('"', ""))
        .collect();
    states.sort();
    let expected = [
        "ended completed",
        "ended platform_failed",
        "ended rejected",
        "interrupted executor_ready",
    ];
    assert_eq!(states, expected, "{listed:#?}");
    assert_eq!(json_lines(&sandbox.run("ps . --json").stdout).len(), 1);
}

/// Nothing hangs, nothing outside of the folder is read, and what can be read is listed.
#[test]
fn garbage() {
    let sandbox = new_sandbox();
    killed(&sandbox, "runs/killed");
    killed(&sandbox, "elsewhere/secret");
    let at = |name: &str| sandbox.path("runs").join(name);
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("notes")).unwrap();
    symlink(sandbox.path("elsewhere/secret"), at("link")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    symlink("loop", at("loop")).unwrap();
    for name in ["a-pipe", "b-foreign", "c-link", "d-\u{1b}[2J"] {
        fs::create_dir(at(name)).unwrap();
    }
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, at("a-pipe/run.jsonl"), FileType::Fifo, mode, 0).unwrap();
    fs::write(at("b-foreign/run.jsonl"), "{\"name\": \"mine\"}\n").unwrap();
    symlink(sandbox.path("elsewhere/secret/run.jsonl"), at("c-link/run.jsonl")).unwrap();
    fs::write(at("d-\u{1b}[2J/run.jsonl"), "\0\0\0").unwrap();
    for arguments in ["ps --json", "ps --all --json"] {
        let listed = sandbox.run(arguments);
        assert_eq!(listed.code, Some(4), "{listed:#?}");
        let runs = json_lines(&listed.stdout);
        assert_eq!(runs.len(), 1, "{listed:#?}");
        assert_eq!(runs[0]["run_id"], id_of(&at("killed")));
        assert_eq!(listed.warnings().len(), 4, "{listed:#?}");
        assert!(listed.stderr.contains("a-pipe/run.jsonl`"), "{listed:#?}");
        assert!(!listed.stderr.contains('\u{1b}'), "{listed:#?}");
    }
}

#[test]
fn no_folder() {
    let sandbox = new_sandbox();
    let listed = sandbox.run("ps --all");
    assert_eq!((listed.code, words(&listed.stdout).len()), (Some(0), 8), "{listed:#?}");
    assert_eq!(listed.stderr, "there is no run in `runs`\n");
    let listed = sandbox.run("ps --json");
    assert_eq!((listed.code, &*listed.stdout), (Some(0), ""), "{listed:#?}");
    fs::write(sandbox.path("file"), "").unwrap();
    let listed = sandbox.run("ps file");
    assert_eq!((listed.code, &*listed.stdout), (Some(2), ""), "{listed:#?}");
}

/// Thousands of runs are listed like a few. Each is a copy of the same one.
#[test]
fn many() {
    const MANY: usize = 1_000;

    let sandbox = new_sandbox();
    assert_eq!(sandbox.run("run echo --set epochs=1 --run-dir first").code, Some(0));
    let read = |name: &str| fs::read(sandbox.path("first").join(name)).unwrap();
    let (outcome, log) = (read("outcome.json"), read("run.jsonl"));
    for number in 0..MANY {
        let directory = sandbox.path(&format!("runs/echo-{number}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("outcome.json"), &outcome).unwrap();
        fs::write(directory.join("run.jsonl"), &log).unwrap();
    }
    let listed = sandbox.run("ps --all");
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert_eq!(listed.stdout.lines().count(), MANY + 1);
    assert_eq!(sandbox.run("ps").stdout.lines().count(), 1);
}
