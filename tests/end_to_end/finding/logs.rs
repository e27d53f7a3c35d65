//! `logs` prints what a job has printed, unchanged, and waits for more.

use std::process::Stdio;

use chutes_test_support::{finish, start};
use rustix::process::Signal;

use super::{let_go, several, start_waiting};
use crate::programs::new_sandbox;

#[test]
fn both_streams_unchanged() {
    let sandbox = new_sandbox();
    assert_eq!(sandbox.run("run prints --run-dir runs/prints").code, Some(0));
    for (option, name) in [("", "stdout.log"), ("--stderr", "stderr.log")] {
        let mut command = sandbox.command(&["logs", "prints"]);
        command.args(option.split_whitespace());
        let printed = command.output().unwrap();
        let kept = std::fs::read(sandbox.path("runs/prints/logs").join(name)).unwrap();
        assert!(printed.status.success() && printed.stderr.is_empty(), "{printed:?}");
        assert!(printed.stdout == kept && !kept.is_empty(), "{printed:?}");
    }
    let last = sandbox.run("logs prints --tail 1");
    assert_eq!(last.stdout, "out: unfinished");
    // What has ended is not waited for.
    assert_eq!(sandbox.run("logs prints -f --tail 1").stdout, "out: unfinished");
}

/// The files of a stream that was longer than its limit are one text.
#[test]
fn a_long_stream() {
    let sandbox = new_sandbox();
    let mut running = start(sandbox.command(&[
        "run",
        "prints_for_ever",
        "--run-dir",
        "run",
        "--log-limit",
        "4KiB",
        "--grace",
        "0",
    ]));
    running.wait_for("line 1000 ");
    running.signal(Signal::INT);
    assert_eq!(running.finish().code, Some(130));
    let printed = sandbox.run("logs ./run").stdout;
    assert!(printed.starts_with("line 0 of a job"), "{printed}");
    assert_eq!(printed.matches("bytes of output were dropped here").count(), 1, "{printed}");
    let lines: Vec<_> = printed.lines().collect();
    let tail = sandbox.run("logs ./run --tail 20").stdout;
    assert_eq!(tail.lines().collect::<Vec<_>>(), lines[lines.len() - 20..]);
}

#[test]
fn follows_to_the_end() {
    let sandbox = new_sandbox();
    let running = start_waiting(&sandbox, "runs/a");
    let mut following = sandbox.start("logs a -f");
    following.wait_for("ready");
    let again = sandbox.run("logs a");
    assert_eq!((again.code, &*again.stdout), (Some(0), "ready\n"), "{again:#?}");
    let_go(&sandbox, "runs/a", running);
    let followed = following.finish();
    assert_eq!((followed.code, &*followed.stdout), (Some(0), "ready\n"), "{followed:#?}");
    assert_eq!(followed.stderr, "");
}

#[test]
fn follows_until_the_supervisor_is_lost() {
    let (sandbox, living) = several();
    let mut following = sandbox.start("logs living -f");
    following.wait_for("ready");
    living.signal(Signal::KILL);
    living.finish_killed();
    let followed = following.finish();
    assert_eq!(followed.code, Some(0), "{followed:#?}");
    assert_eq!(followed.stderr, "the run was interrupted: its supervisor is gone\n");
    assert_eq!(sandbox.run("recover").code, Some(0));
}

/// A reader that has seen enough ends it, also when nothing is printed any more.
#[test]
fn a_closed_pipe() {
    let sandbox = new_sandbox();
    let running = start_waiting(&sandbox, "runs/a");
    let mut command = sandbox.command(&["logs", "a", "-f"]);
    let mut following = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(following.stdout.take());
    assert!(following.wait().unwrap().success());
    let_go(&sandbox, "runs/a", running);
    let head = "\"$1\" logs a | head -c 2";
    let jobs = sandbox.programs().jobs;
    let printed = finish(sandbox.program(&["bash", "-o", "pipefail", "-c", head, "bash", jobs]));
    assert_eq!((printed.code, &*printed.stdout), (Some(0), "re"), "{printed:#?}");
}

#[test]
fn no_run() {
    let sandbox = new_sandbox();
    let refused = sandbox.run("logs nothing");
    assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{refused:#?}");
    assert_eq!(refused.errors(), ["error: there is no run `nothing` in `runs`"]);
}
