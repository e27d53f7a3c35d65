//! Processes that a job has started end with it, however they try to escape.

use std::fs;

use chutes::outcome::FailureKind;
use chutes::{EndStatus, Outcome};
use chutes_test_support::leftovers::{assert_nothing_left, processes_left};
use chutes_test_support::machine::{child_of, cover, unshare};
use chutes_test_support::{Finished, finish, start};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::expected::{COMPLETED, Expected, NO_HOOKS, check, check_finished};
use crate::programs::new_sandbox;

/// Runs a job with a shell script that returns, with and without a cgroup, and checks the warning about what it left.
#[track_caller]
fn check_left(script: &str, warning: &str) {
    check_left_by(&[], script, warning);
    let cover = cover("/sys/fs/cgroup");
    let wrapper: Vec<_> = cover.iter().map(String::as_str).collect();
    check_left_by(&wrapper, script, warning);
}

#[track_caller]
fn check_left_by(wrapper: &[&str], script: &str, warning: &str) {
    let sandbox = new_sandbox();
    let way = serde_json::json!({ "shell": script }).to_string();
    let finished = finish(sandbox.wrapped(wrapper, &["run", "dies", "--data", &way, "--json"]));
    let outcome = finished.outcome();
    assert_eq!(outcome.status(), EndStatus::Completed, "{script}: {finished:#?}");
    let [found] = &outcome.warnings[..] else { panic!("{script}: {finished:#?}") };
    assert!(found.starts_with(warning), "{script}: {found}");
    assert_nothing_left(&sandbox, &outcome);
}

/// Processes that the job has left are ended, and the run reports it.
#[test]
fn left_behind() {
    // Their names depend on how far they had got.
    const ONE: &str = "the job left a process that had to be ended: ";
    const TWO: &str = "the job left 2 processes that had to be ended: ";

    for (script, warning) in [
        ("sleep 300 &", ONE),
        // Without its parent, session, group, folder and environment.
        ("setsid -f sleep 300", ONE),
        ("cd / && exec setsid -f env -i sleep 300", ONE),
        ("setsid -f sh -c 'setsid -f sleep 300'", ONE),
        // Without the standard streams.
        ("setsid -f sleep 300 >/dev/null 2>&1", ONE),
        ("nohup sleep 300 >/dev/null 2>&1 &", ONE),
        // Ignoring signals.
        ("(trap '' TERM INT HUP; exec sleep 300) &", ONE),
        ("(trap '' TERM; echo deaf; sleep 300; sleep 300) &", TWO),
        // Stopped.
        ("sleep 300 & kill -STOP $!", ONE),
        ("(trap '' TERM; exec sleep 300) & kill -STOP $!", ONE),
    ] {
        check_left(script, warning);
    }
}

/// At most 128 processes at a time.
#[test]
fn fork_bomb() {
    const BOMB: &str = r#"
        cat >bomb <<'END'
[ "$1" -gt 0 ] || exec sleep 300
setsid sh bomb $(($1 - 1)) & sh bomb $(($1 - 1)) & wait
END
        sh bomb 6 &
        echo started"#;

    check_left(BOMB, "the job left ");
}

/// A process that ends as soon as it has started the next one is hardly ever there to be killed.
#[test]
fn chain_of_processes() {
    const CHAIN: &str = r#"
        cat >chain <<'END'
trap '' TERM
[ "$1" -gt 0 ] || exit
setsid sh chain $(($1 - 1)) &
END
        sh chain 5000 &"#;

    check_left(CHAIN, "the job left ");
}

/// Processes that end by themselves with the job cause no warning.
#[test]
fn helpers_that_end_with_the_job() {
    let script = "mkfifo pipe; (cat pipe >/dev/null) & exec 3>pipe";
    check(&serde_json::json!({ "shell": script }).to_string(), "", &COMPLETED);
}

/// How a job ends whose process was killed, but not by its supervisor.
const KILLED: Expected = Expected {
    kind: Some(FailureKind::Killed),
    status: EndStatus::Failed,
    signal: Some("SIGKILL"),
    message: "the job's process was killed by SIGKILL",
    warnings: &NO_HOOKS,
    ..COMPLETED
};

/// The processes of a job that has died are ended, too.
#[test]
fn left_by_a_dead_job() {
    let sandbox = new_sandbox();
    let script = "setsid -f sleep 300; (trap '' TERM; exec sleep 300) & kill -9 $PPID; wait";
    let way = serde_json::json!({ "shell": script }).to_string();
    let finished = finish(sandbox.command(&["run", "dies", "--data", &way, "--json"]));
    let outcome = check_finished(&finished, &way, &KILLED);
    assert_nothing_left(&sandbox, &outcome);
}

#[test]
fn kills_its_own_group() {
    check(r#""kill_group""#, "", &KILLED);
}

/// In a session of its own it is still a child of the supervisor.
#[test]
fn leaves_its_session() {
    let expected = Expected {
        kind: Some(FailureKind::TimeLimit),
        status: EndStatus::TimedOut,
        message: "the job did not end within its grace of 0s and was killed",
        warnings: &NO_HOOKS,
        ..COMPLETED
    };
    let finished = check(r#""leave_session""#, "--time-limit 1 --grace 0", &expected);
    assert!(finished.stderr.contains("left"), "{finished:#?}");
}

/// Orphans become children of the supervisor, which reaps them while the job runs, also as process 1.
#[test]
fn orphans_that_end_are_not_kept() {
    // Loops for as long as a child of the supervisor has ended and waits for its parent.
    let script = r#"
        supervisor=$(awk '$1 == "PPid:" { print $2 }' /proc/$PPID/status)
        i=0; while [ $i -lt 50 ]; do setsid -f true; i=$((i + 1)); done
        while grep -sq '^State:.Z' $(for id in $(cat /proc/$supervisor/task/*/children); do
            echo /proc/$id/status; done); do :; done"#;
    let way = serde_json::json!({ "shell": script }).to_string();
    let arguments = ["run", "dies", "--data", &way, "--json"];
    for wrapper in [vec![], unshare(&["--pid", "--fork", "--mount-proc", "--kill-child"])] {
        let sandbox = new_sandbox();
        let finished = finish(sandbox.wrapped(&wrapper, &arguments));
        let outcome = check_finished(&finished, &way, &COMPLETED);
        assert_nothing_left(&sandbox, &outcome);
    }
}

/// The kernel kills the worker when the supervisor is killed, and `recover` does the rest.
#[test]
fn kills_its_supervisor() {
    let sandbox = new_sandbox();
    let arguments = ["run", "dies", "--data", r#""kill_supervisor""#, "--run-dir", "run"];
    let mut running = start(sandbox.command(&arguments));
    running.wait_for("ready");
    let worker = pidfd_open(child_of(running.pid()), PidfdFlags::empty()).unwrap();
    fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    running.finish_killed();
    let mut ended = [PollFd::new(&worker, PollFlags::IN)];
    let at_most = Timespec { tv_sec: 60, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut ended, Some(&at_most)).unwrap(), 1);
    let finished = finish(sandbox.command(&["recover", "run", "--json"]));
    let outcome = recovered(&finished);
    assert_nothing_left(&sandbox, &outcome);
}

/// A recovered run is never called completed, and has the outputs up to then.
#[track_caller]
fn recovered(finished: &Finished) -> Outcome {
    let outcome = finished.recovered_outcome();
    assert_eq!(outcome.status(), EndStatus::PlatformFailed);
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::SupervisorLost);
    assert_eq!(chutes_test_support::record::collected(&outcome), ["partial.txt"]);
    outcome
}

/// Processes of the job survive a killed supervisor until the run is recovered.
#[test]
fn daemons_of_a_killed_supervisor() {
    let sandbox = new_sandbox();
    let script = "setsid -f sleep 300 >/dev/null 2>&1
        while [ ! -e go ]; do sleep 0.01; done
        kill -9 $(awk '$1 == \"PPid:\" { print $2 }' /proc/$PPID/status)";
    let way = serde_json::json!({ "shell": script }).to_string();
    let arguments = ["run", "dies", "--data", &way, "--run-dir", "run"];
    let mut running = start(sandbox.command(&arguments));
    running.wait_for("ready");
    fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    running.finish_killed();
    let journal = chutes_test_support::record::journal(&sandbox.path("run"));
    let left = processes_left(&sandbox, journal[0]["run"]["id"].as_str().unwrap());
    let is_daemon = |status: &String| {
        ["Name:\tsleep\n", "Name:\tsetsid\n"].iter().any(|name| status.starts_with(name))
    };
    assert!(left.iter().any(is_daemon), "{left:#?}");
    let outcome = recovered(&finish(sandbox.command(&["recover", "run", "--json"])));
    assert_nothing_left(&sandbox, &outcome);
}
