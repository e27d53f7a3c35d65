//! The end of a run ends everything that was started in it by SSH.

use std::net::TcpListener;
use std::time::Instant;

use chutes::EndStatus;
use chutes::event::RunEvent;
use chutes_test_support::clients::ssh::SshRun;
use chutes_test_support::leftovers::assert_nothing_left;
use chutes_test_support::machine::processes_with;
use chutes_test_support::record::collected;
use chutes_test_support::{Finished, Sandbox, finish, wait_until};
use rustix::process::{Signal, kill_process};

use super::ssh::serve_job;

/// Never ends, writes an output again and again, and ignores signals that ask it to end.
const STUBBORN: &str =
    "trap '' HUP TERM INT; while :; do echo line >> outputs/growing; sleep 0.05; done";

/// The same as a daemon.
const DAEMON: &str = "nohup setsid sh -c 'while :; do echo line >> outputs/daemon; sleep 0.05; done' \
                      >/dev/null 2>&1 & while [ ! -e outputs/daemon ]; do sleep 0.05; done";

/// Fills a run with sessions: some that stay, and one that leaves a process behind.
fn fill(served: &SshRun) -> Vec<chutes_test_support::Running> {
    let start = |words: [&str; 3]| chutes_test_support::start(served.program("ssh", &words));
    let sessions = [["-tt", "run", STUBBORN], ["-T", "run", STUBBORN]].map(start);
    assert_eq!(start(["-tt", "run", DAEMON]).finish().code, Some(0));
    wait_until("it writes", || served.path("outputs/growing").exists());
    sessions.into()
}

/// Checks that nothing is left: no process, no open port, no client that hangs.
#[track_caller]
fn check(sandbox: &Sandbox, finished: &Finished, status: EndStatus) -> chutes::Outcome {
    let outcome = finished.outcome();
    assert_eq!(outcome.status(), status, "{outcome:#?}");
    assert_nothing_left(sandbox, &outcome);
    let endpoint = outcome.endpoints.ssh.as_ref().unwrap();
    drop(TcpListener::bind(endpoint.address).unwrap());
    // What sessions wrote was collected unchanged, because no process could write any more: see `outcome()`.
    assert!(collected(&outcome).contains(&"growing"), "{outcome:#?}");
    outcome
}

/// Fills a run, ends it like this, and looks at what is left.
#[track_caller]
fn ends(way: &str, options: &str, end: impl FnOnce(&SshRun), status: EndStatus) {
    let served = serve_job(way, options);
    let sessions = fill(&served);
    end(&served);
    let (sandbox, finished) = served.end();
    let outcome = check(&sandbox, &finished, status);
    assert!(collected(&outcome).contains(&"daemon"), "{outcome:#?}");
    for session in sessions {
        let finished = session.finish();
        assert_ne!(finished.code, Some(0), "{finished:#?}");
    }
}

#[test]
fn job_ends() {
    ends("ends", "", SshRun::go, EndStatus::Completed);
}

#[test]
fn job_fails() {
    ends("fails", "", SshRun::go, EndStatus::Failed);
}

#[test]
fn job_crashes() {
    ends("crashes", "", SshRun::go, EndStatus::Failed);
}

#[test]
fn worker_is_killed() {
    let kill = |served: &SshRun| {
        let workers = processes_of(served, "__worker");
        assert_eq!(workers.len(), 1, "{workers:?}");
        kill_process(workers[0], Signal::KILL).unwrap();
    };
    ends("ends", "", kill, EndStatus::Failed);
}

#[test]
fn run_is_cancelled() {
    ends("ends", "", |served| served.running.signal(Signal::INT), EndStatus::Cancelled);
}

#[test]
fn time_limit() {
    ends("is_stuck", "--time-limit 12 --grace 1", |_| (), EndStatus::TimedOut);
}

/// The children of the supervisor with this word in their command line.
fn processes_of(served: &SshRun, word: &str) -> Vec<rustix::process::Pid> {
    let parent = format!("PPid:\t{}", served.running.pid().as_raw_nonzero());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = entries.filter(|entry| {
        let read = |name| std::fs::read(entry.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&read("status")).lines().any(|line| line == parent)
            && String::from_utf8_lossy(&read("cmdline")).contains(word)
    });
    let pid = |entry: std::fs::DirEntry| {
        rustix::process::Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)
    };
    ours.filter_map(pid).collect()
}

/// After the supervisor was killed, `recover` ends sessions before it collects.
#[test]
fn supervisor_is_killed() {
    let served = serve_job("ends", "");
    let sessions = fill(&served);
    let SshRun { sandbox, running, endpoint, .. } = served;
    running.signal(Signal::KILL);
    running.finish_killed();
    let recovered = finish(sandbox.command(&["recover", "run", "--json"]));
    let outcome = recovered.recovered_outcome();
    assert_eq!(outcome.status(), EndStatus::PlatformFailed);
    assert_nothing_left(&sandbox, &outcome);
    drop(TcpListener::bind(endpoint.address).unwrap());
    for session in sessions {
        assert_eq!(session.finish().code, Some(255));
    }
}

/// With an option, a run waits for sessions when its job has ended.
#[test]
fn kept_alive() {
    let served = serve_job("ends", "--keep-alive-while-ssh");
    let (mut client, keyboard) =
        served.start_ssh(&["-T", "run", "echo waits; cat; echo late > outputs/late"]);
    client.wait_for("waits");
    served.go();
    // Logging in and out is possible whether the worker is still there or not.
    assert_eq!(served.printed("cat outputs/begun.txt"), "begun");
    let is_over = |event: &RunEvent| matches!(event, RunEvent::Outcome { .. });
    assert!(!served.events().iter().any(is_over));
    drop(keyboard);
    assert_eq!(client.finish().code, Some(0));
    let (_sandbox, finished) = served.end();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(collected(&finished.outcome()), ["begun.txt", "late"]);
}

/// The time limit and a cancel end this wait.
#[test]
fn kept_alive_within_limits() {
    for (options, is_cancelled) in [("--time-limit 4", false), ("", true)] {
        let options = format!("--keep-alive-while-ssh {options}");
        let served = serve_job("ends", &options);
        let (mut client, _keyboard) = served.start_ssh(&["-tt", "run", "echo waits; sleep 1000"]);
        client.wait_for("waits");
        let begin = Instant::now();
        served.go();
        if is_cancelled {
            served.running.signal(Signal::INT);
        }
        let (sandbox, finished) = served.end();
        assert!(begin.elapsed().as_secs() < 30);
        assert_nothing_left(&sandbox, &finished.outcome());
        client.finish();
    }
}

/// The end of the job counts, even when the waiting supervisor is killed.
#[test]
fn supervisor_is_killed_while_it_waits() {
    let served = serve_job("ends", "--keep-alive-while-ssh");
    let (mut client, _keyboard) =
        served.start_ssh(&["-T", "run", "echo waits; echo late > outputs/late; sleep 1000"]);
    client.wait_for("waits");
    served.go();
    let journal = served.path("run.jsonl");
    let has_ended = || std::fs::read_to_string(&journal).unwrap().contains("\"execution\":{");
    wait_until("the job has ended", has_ended);
    let SshRun { sandbox, running, .. } = served;
    running.signal(Signal::KILL);
    running.finish_killed();
    let recovered = finish(sandbox.command(&["recover", "run", "--json"]));
    let outcome = recovered.recovered_outcome();
    assert_eq!(outcome.status(), EndStatus::Completed);
    assert_eq!(collected(&outcome), ["begun.txt", "late"]);
    assert_nothing_left(&sandbox, &outcome);
    client.finish();
}

/// Other tests look by their command lines for processes that should have ended.
#[test]
fn processes_are_seen() {
    let mut sleeper = std::process::Command::new("sleep").arg("4711.5").spawn().unwrap();
    wait_until("it is seen", || processes_with("sleep 4711.5").len() == 1);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(processes_with("sleep 4711.5"), [""; 0]);
}
