//! The supervisor is killed, and `recover` takes the run to its one outcome.

mod command;
mod concurrent;
mod deliveries;
mod journal;
pub(crate) mod old_runs;
mod secrets;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::record::{collected, journal};
use chutes_test_support::{Finished, Sandbox, finish};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::programs::new_sandbox;

/// Ends the supervisor right after the record with this number.
const STOP: &str = "CHUTES_TEST_STOP_AFTER_RECORD";

/// Ends the supervisor when the record with this number is written in half.
const TEAR: &str = "CHUTES_TEST_TEAR_RECORD";

/// Stops the supervisor right after the record with this number, until it is continued.
const PAUSE: &str = "CHUTES_TEST_PAUSE_AFTER_RECORD";

/// The record with which a run of [`RUN`] is accepted and has hooks.
const HOOKS: usize = 5;

/// The record that its user code has ended.
const EXECUTION: usize = 9;

/// All processes of a run have this variable, with the path of the sandbox.
const MARK: &str = "CHUTES_TEST_MARK";

/// A run with outputs, a helper that it leaves behind, and a hook that fails.
const RUN: [&str; 5] = [
    "run",
    "leaves_a_helper",
    "--data",
    r#"{"files": 3, "behaviour": ["shutdown_fails"]}"#,
    "--json",
];

const OUTPUTS: [&str; 3] = ["part-0/0.txt", "part-1/1.txt", "part-2/2.txt"];

/// The job binary with a fault, and with the mark of the sandbox.
fn with_fault(sandbox: &Sandbox, arguments: &[&str], fault: &str, record: usize) -> Command {
    let mut command = sandbox.command(arguments);
    command.env(fault, record.to_string()).env(MARK, sandbox.path(""));
    command
}

/// Runs the job in the directory `run`. Returns whether the supervisor was killed by the fault.
#[track_caller]
fn crashes(sandbox: &Sandbox, arguments: &[&str], fault: &str, record: usize) -> bool {
    let arguments = [arguments, &["--run-dir", "run"]].concat();
    is_killed(with_fault(sandbox, &arguments, fault, record))
}

/// Runs a command to its end. Returns whether it was killed; if not, it has completed.
#[track_caller]
fn is_killed(mut command: Command) -> bool {
    // Output would be read to its end, and a helper of the job may hold on to it.
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let is_killed = status.signal() == Some(Signal::KILL.as_raw());
    assert!(is_killed || status.success(), "{status}");
    is_killed
}

/// The processes with the mark of the sandbox, with their arguments.
fn marked(sandbox: &Sandbox) -> Vec<(Pid, String)> {
    let mark = format!("{MARK}={}", sandbox.path("").display());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name();
        let pid = Pid::from_raw(name.to_str()?.parse().ok()?)?;
        let read = |file| std::fs::read(format!("/proc/{}/{file}", pid.as_raw_pid()));
        let environment = read("environ").ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|one| one == mark.as_bytes());
        let arguments = String::from_utf8_lossy(&read("cmdline").ok()?).into_owned();
        is_marked.then_some((pid, arguments))
    });
    processes.collect()
}

/// The worker ends with its supervisor: no user code continues. It is waited for, because it may end
/// after its supervisor was reaped.
#[track_caller]
fn wait_for_worker(sandbox: &Sandbox) {
    for (pid, arguments) in marked(sandbox) {
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if arguments.contains("__worker") {
            let timeout = rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 };
            let mut events = [PollFd::new(&pidfd, PollFlags::IN)];
            let ended = rustix::event::poll(&mut events, Some(&timeout)).unwrap();
            assert_eq!(ended, 1, "the worker has outlived its supervisor");
        }
    }
}

fn run_json(root: &Path) -> Vec<u8> {
    let old = root.join("run.json");
    std::fs::read(if old.exists() { old } else { root.join("run.jsonl") }).unwrap()
}

/// The names of the records of a journal, of which the last line may be torn.
fn records(root: &Path) -> Vec<String> {
    const KINDS: [&str; 11] = [
        "run",
        "status",
        "hooks",
        "phase",
        "execution",
        "collected",
        "delivered",
        "recovered",
        "warning",
        "outcome",
        "redelivered",
    ];
    let text = run_json(root);
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let kind = |line: &[u8]| {
        let record: serde_json::Value = serde_json::from_slice(line).unwrap();
        if let Some(event) = record["event"].as_str() {
            return format!("event {event}");
        }
        let kind = KINDS.iter().find(|kind| record.get(**kind).is_some());
        (*kind.unwrap()).to_owned()
    };
    lines.map(kind).collect()
}

fn count(records: &[String], kind: &str) -> usize {
    records.iter().filter(|record| *record == kind).count()
}

/// Recovers the run in `name` and checks that it has one outcome then, the same in all places,
/// and that recovering again changes nothing.
#[track_caller]
fn recover(sandbox: &Sandbox, name: &str) -> (Finished, Outcome) {
    let recovered = sandbox.run(&format!("recover {name} --json"));
    let outcome = recovered.recovered_outcome();
    assert_eq!(Path::new(&outcome.run_dir), sandbox.path(name));
    assert_eq!(marked(sandbox), [], "{recovered:#?}");
    let root = sandbox.path(name);
    assert_eq!(count(&records(&root), "outcome"), 1);
    assert!(!root.join("sinks.json").exists() && !root.join("run.jsonl.damaged").exists());
    let (before, manifest) = (run_json(&root), std::fs::read(root.join("manifest.json")).unwrap());
    let again = sandbox.run(&format!("recover {name} --json"));
    assert_eq!((again.code, &again.stdout), (recovered.code, &recovered.stdout));
    assert!(again.stderr.contains("is in order"), "{again:#?}");
    assert_eq!(run_json(&root), before);
    assert_eq!(std::fs::read(root.join("manifest.json")).unwrap(), manifest);
    (recovered, outcome)
}

/// Checks the outcome of a recovered run whose journal had these records.
#[track_caller]
fn check(before: &[String], recovered: &Finished, outcome: &Outcome) {
    let case = format!("{before:?}: {recovered:#?}");
    if count(before, "execution") == 1 {
        assert_eq!(outcome.status().to_string(), "completed", "{case}");
        assert_eq!(outcome.result.as_ref().unwrap().as_str(), "3", "{case}");
        assert_eq!(collected(outcome), OUTPUTS, "{case}");
    } else {
        assert_eq!(outcome.status().to_string(), "platform_failed", "{case}");
        assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::SupervisorLost, "{case}");
        assert_eq!(outcome.result, None, "{case}");
    }
    let phases: Vec<_> = outcome.phases.iter().map(|report| report.phase.as_str()).collect();
    let expected =
        ["start", "execute", "upload"].into_iter().filter(|phase| phases.contains(phase));
    assert!(expected.eq(phases.iter().copied()), "{case}");
    let warned = |text: &str| outcome.warnings.iter().any(|warning| warning.contains(text));
    assert_eq!(warned("hook `stop_first` failed"), count(before, "warning") >= 1, "{case}");
    let maybe_without_hooks = count(before, "execution") == 1 && count(before, "collected") == 0;
    assert_eq!(warned("the shutdown hooks"), maybe_without_hooks, "{case}");
}

/// Kills the supervisor at each record, until there is no record with this number.
#[track_caller]
fn check_each_record(fault: &str, options: &[&str]) -> usize {
    let arguments = [&RUN, options].concat();
    for record in 1.. {
        let sandbox = new_sandbox();
        if !crashes(&sandbox, &arguments, fault, record) {
            return record - 1;
        }
        wait_for_worker(&sandbox);
        let before = records(&sandbox.path("run"));
        assert_eq!(before.len(), if fault == STOP { record } else { record - 1 });
        if before.is_empty() {
            check_nothing_started(&sandbox);
            continue;
        }
        let (recovered, outcome) = recover(&sandbox, "run");
        check(&before, &recovered, &outcome);
        check_delivered(&sandbox, options);
    }
    unreachable!()
}

/// Checks that a run without a spec in its journal has no outcome, and none is printed.
#[track_caller]
fn check_nothing_started(sandbox: &Sandbox) {
    let before = run_json(&sandbox.path("run"));
    let recovered = sandbox.run("recover run --json");
    assert_eq!((recovered.code, &*recovered.stdout), (Some(4), ""), "{recovered:#?}");
    let error = "error: the journal of the run is empty: nothing was started in it";
    assert_eq!(recovered.errors(), [error]);
    assert_eq!(run_json(&sandbox.path("run")), before);
    assert_eq!(marked(sandbox), []);
}

/// With a directory sink: each file is there once, and on record once.
#[track_caller]
fn check_delivered(sandbox: &Sandbox, options: &[&str]) {
    let Some(sink) = options.last() else { return };
    let records = journal(&sandbox.path("run"));
    let delivered = records.iter().filter_map(|record| record.get("delivered"));
    let mut paths: Vec<String> =
        delivered.map(|it| format!("{}/{}", it["kind"], it["path"]).replace('"', "")).collect();
    paths.sort();
    let outputs = OUTPUTS.map(|path| format!("output/{path}"));
    let logs = ["stderr.log", "stdout.log"].map(|name| format!("log/{name}"));
    let has_outputs = sandbox.path("run/outputs/part-2/2.txt").exists();
    let logs = logs.iter().filter(|path| sandbox.path(&path.replace("log/", "run/logs/")).exists());
    let mut expected: Vec<String> = logs.cloned().collect();
    expected.extend(has_outputs.then_some(outputs).into_iter().flatten());
    assert_eq!(paths, expected);
    for path in paths {
        let path = path.replacen("log/", "logs/", 1).replacen("output/", "outputs/", 1);
        let copy = std::fs::read(sandbox.path(sink).join(&path)).unwrap();
        assert_eq!(copy, std::fs::read(sandbox.path("run").join(&path)).unwrap());
    }
    assert!(sandbox.path(sink).join("manifest.json").exists());
}

#[test]
fn killed_after_each_record() {
    assert_eq!(check_each_record(STOP, &[]), 18);
}

#[test]
fn killed_within_each_record() {
    assert_eq!(check_each_record(TEAR, &[]), 18);
}

#[test]
fn killed_after_each_record_with_a_sink() {
    assert_eq!(check_each_record(STOP, &["--output", "sink"]), 23);
}

#[test]
fn killed_within_each_record_with_a_sink() {
    assert_eq!(check_each_record(TEAR, &["--output", "sink"]), 23);
}

/// Recovering is interrupted at each of its own records, and begun again.
#[track_caller]
fn check_each_record_of_recovery(first: &str, fault: &str) {
    let template = new_sandbox();
    let arguments = [&RUN[..], &["--output", "sink"]].concat();
    let last = 1 + records_of_whole_run().iter().position(|record| record == first).unwrap();
    assert!(crashes(&template, &arguments, STOP, last));
    wait_for_worker(&template);
    let before = records(&template.path("run"));
    for record in last + 1.. {
        let name = format!("copy-{record}");
        copy(&template.path("run"), &template.path(&name));
        let arguments = ["recover", &name];
        let mut command = template.command(&arguments);
        command.env(fault, record.to_string());
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        if status.signal().is_none() {
            assert!(record > last + 5, "the fault had no effect");
            return;
        }
        let (recovered, outcome) = recover(&template, &name);
        check(&before, &recovered, &outcome);
    }
}

/// The records of a run without interruption.
fn records_of_whole_run() -> Vec<String> {
    let sandbox = new_sandbox();
    let arguments = [&RUN[..], &["--run-dir", "run", "--output", "sink"]].concat();
    let finished = finish(sandbox.command(&arguments));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    records(&sandbox.path("run"))
}

/// Copies a directory with everything in it.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn recovery_is_killed_after_each_record() {
    check_each_record_of_recovery("execution", STOP);
    check_each_record_of_recovery("phase", STOP);
}

#[test]
fn recovery_is_killed_within_each_record() {
    check_each_record_of_recovery("execution", TEAR);
    check_each_record_of_recovery("phase", TEAR);
}
