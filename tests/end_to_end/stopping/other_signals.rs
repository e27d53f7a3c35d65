//! Signals that ask nothing of a run, and limits of the system that send signals: none ends a supervisor without an
//! outcome.

use std::process::Command;

use chutes::outcome::FailureKind;
use chutes_test_support::machine::child_of;
use chutes_test_support::record::collected;
use chutes_test_support::{Finished, Running, Sandbox, finish, start};
use rustix::process::{Pid, Signal};

use crate::programs::new_sandbox;

/// The words before a command that set all dispositions to the default.
const DEFAULT: [&str; 2] = ["env", "--default-signal"];

/// Signals that end a process by default, by their numbers. The last are real-time signals.
fn without_effect() -> Vec<i32> {
    let named = [
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::STKFLT,
        Signal::XFSZ,
        Signal::TSTP,
    ];
    named.into_iter().map(Signal::as_raw).chain([34, 40, 64]).collect()
}

fn start_run(sandbox: &Sandbox, job: &str) -> Running {
    start(sandbox.wrapped(&DEFAULT, &["run", job, "--run-dir", "run", "--json"]))
}

#[track_caller]
fn send(number: i32, to: Pid) {
    let command = format!("kill -{number} {}", to.as_raw_nonzero());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

/// The signals that a process ignores, as a mask.
fn ignored(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

#[test]
fn they_do_not_end_a_run() {
    let sandbox = new_sandbox();
    let mut running = start_run(&sandbox, "waits_for_a_file");
    running.wait_for("ready");
    for number in without_effect() {
        send(number, running.pid());
    }
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.outcome().warnings, [""; 0]);
}

/// What the supervisor does with signals is not what its worker does.
#[test]
fn the_worker_has_their_default() {
    let sandbox = new_sandbox();
    let mut running = start_run(&sandbox, "waits_for_a_file");
    running.wait_for("ready");
    let worker = child_of(running.pid());
    for number in without_effect() {
        assert_eq!(ignored(worker) >> (number - 1) & 1, 0, "the worker ignores signal {number}");
    }
    send(Signal::USR1.as_raw(), worker);
    let finished = running.finish();
    let outcome = finished.outcome();
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.worker_signal.as_deref(), Some("SIGUSR1"), "{finished:#?}");
    assert_eq!(failure.kind, FailureKind::Killed);
}

/// The kernel repeats SIGXCPU each second, so it is never more urgent than a request to stop.
#[test]
fn processor_time_is_used_up() {
    let sandbox = new_sandbox();
    let mut running = start_run(&sandbox, "stops_when_asked");
    running.wait_for("ready");
    for _ in 0..3 {
        send(Signal::XCPU.as_raw(), running.pid());
    }
    let finished = running.finish();
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert_eq!(outcome.result.as_ref().unwrap().as_str(), "\"stopped in time\"");
    assert_eq!(collected(&outcome), ["last.txt", "partial.txt"]);
}

/// Runs the job that prints much under `ulimit -f` with so many blocks of 512 bytes.
fn run_limited(sandbox: &Sandbox, blocks: u32) -> Finished {
    let script = format!("ulimit -f {blocks}; exec \"$@\"");
    let wrapper = [&DEFAULT[..], &["sh", "-c", &script, "sh"]].concat();
    finish(sandbox.wrapped(&wrapper, &["run", "prints_much", "--run-dir", "run", "--json"]))
}

/// The log of a job is larger than a file may be: as on a full disk, a part of it is missing, and the run goes on.
#[test]
fn log_is_larger_than_a_file_may_be() {
    let sandbox = new_sandbox();
    let finished = run_limited(&sandbox, 100);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let outcome = finished.outcome();
    assert_eq!(outcome.warnings.len(), 1, "{:#?}", outcome.warnings);
    assert!(outcome.warnings[0].contains("are not in `stdout.log`"), "{:#?}", outcome.warnings);
    assert!(sandbox.path("run/manifest.json").exists());
}

/// No file may have a byte: there is no run, and a message.
#[test]
fn no_file_may_have_a_byte() {
    let finished = run_limited(&new_sandbox(), 0);
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    let expected =
        ["error: cannot write the journal of the run", "  caused by: File too large (os error 27)"];
    assert_eq!(finished.errors(), expected);
}
