use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, WaitIdOptions};

use super::*;
use crate::Tree;
use crate::testing::{Shell, exclusive, exists, wait_for};

/// Long enough never to be reached on a machine that works.
const LONG: Duration = Duration::from_mins(1);

/// Starts a process of a session.
fn session(sessions: &Sessions, script: &str) -> Shell {
    let start = || {
        let shell = Shell::start(script);
        let pid = shell.child.id();
        Ok((shell, Some(pid)))
    };
    sessions.spawn(start).unwrap()
}

/// A tree with a waiting worker, and a session.
fn tree_and_session(script: &str) -> (Tree, Shell, Sessions, Shell) {
    let sessions = Sessions::default();
    let mut tree = Tree::begin(sessions.clone()).unwrap();
    let worker = Shell::start("echo ready; read never");
    tree.set_worker(worker.pid()).unwrap();
    let session = session(&sessions, script);
    (tree, worker, sessions, session)
}

fn forget(sessions: &Sessions, pid: Pid) {
    sessions.forget(pid.as_raw_pid().cast_unsigned());
}

#[tokio::test]
async fn a_session_is_no_process_of_the_job() {
    let _turn = exclusive().await;
    let script = "sh -c 'echo $$; read never <&3' & echo ready; read never";
    let (tree, mut worker, sessions, mut shell) = tree_and_session(script);
    let lines = [shell.line(), shell.line()];
    assert!(lines.contains(&"ready".to_owned()), "{lines:?}");
    assert_eq!(worker.line(), "ready");
    assert_eq!(tree.pids().unwrap(), [worker.pid()]);
    let ended = tree.end(LONG, None).await;
    assert_eq!(ended, TreeExit::default());
    assert_eq!(worker.wait().signal(), Some(Signal::TERM.as_raw()));
    assert!(tree.wait_until_empty(LONG).await.unwrap());
    // The session was not affected.
    assert!(!Process::read(shell.pid()).unwrap().unwrap().has_ended());
    let ended = sessions.end_all(LONG).await;
    assert_eq!((ended.count, ended.problem), (2, None));
    assert_eq!(shell.wait().signal(), Some(Signal::TERM.as_raw()));
}

#[tokio::test]
async fn its_exit_status_is_left_to_its_starter() {
    let _turn = exclusive().await;
    let (tree, mut worker, sessions, mut shell) = tree_and_session("exit 9");
    let pid = shell.pid();
    wait_for(pid, WaitIdOptions::EXITED);
    assert_eq!(tree.reap_orphans().unwrap(), 0);
    assert_eq!(sessions.end_all(Duration::ZERO).await, TreeExit::default());
    tree.end(Duration::ZERO, None).await;
    worker.wait();
    assert!(exists(pid));
    assert_eq!(shell.wait().code(), Some(9));
    forget(&sessions, pid);
    assert_eq!(sessions.identities().len(), 0);
}

#[tokio::test]
async fn a_forgotten_process_counts_like_any_other() {
    let _turn = exclusive().await;
    let (tree, mut worker, sessions, mut shell) = tree_and_session("echo ready; read never");
    assert_eq!(shell.line(), "ready");
    forget(&sessions, shell.pid());
    assert_eq!(sessions.end_all(Duration::ZERO).await, TreeExit::default());
    let mut both = [worker.pid(), shell.pid()];
    both.sort_by_key(|pid| pid.as_raw_pid());
    assert_eq!(tree.pids().unwrap(), both);
    assert_eq!(tree.end(LONG, None).await.count, 1);
    worker.wait();
    assert!(!exists(shell.pid()), "its exit status was not taken");
}

#[tokio::test]
async fn what_a_session_leaves_behind_is_ended_with_the_job() {
    let _turn = exclusive().await;
    let script = "setsid sh -c 'echo $$; read never <&3' &";
    let (tree, mut worker, sessions, mut shell) = tree_and_session(script);
    let daemon = shell.pid_line();
    assert!(shell.wait().success());
    forget(&sessions, shell.pid());
    assert_eq!(sessions.end_all(LONG).await, TreeExit::default());
    assert!(tree.pids().unwrap().contains(&daemon));
    let ended = tree.end(LONG, None).await;
    assert_eq!((ended.count, ended.problem), (1, None));
    worker.wait();
    assert!(!exists(daemon), "its exit status was not taken");
}

#[tokio::test]
async fn a_process_that_outlives_its_parent_is_still_ended() {
    let _turn = exclusive().await;
    let script = "trap 'exit 0' TERM; sh -c 'trap \"\" TERM; echo $$; read never <&3' & \
                  while true; do read never; done";
    let (tree, mut worker, sessions, mut shell) = tree_and_session(script);
    let stubborn = shell.pid_line();
    // The shell ends on SIGTERM; the process that it has started does not, and becomes a child of this
    // process.
    let ended = sessions.end_all(Duration::from_secs(1)).await;
    assert_eq!((ended.count, ended.problem), (2, None));
    assert!(!exists(stubborn), "its exit status was not taken");
    assert!(shell.wait().success());
    assert_eq!(tree.pids().unwrap(), [worker.pid()]);
    tree.end(Duration::ZERO, None).await;
    worker.wait();
}

#[tokio::test]
async fn without_grace_there_is_no_sigterm() {
    let _turn = exclusive().await;
    let sessions = Sessions::default();
    let mut shell = session(&sessions, "trap 'exit 7' TERM; echo ready; read never");
    assert_eq!(shell.line(), "ready");
    assert_eq!(sessions.end_all(Duration::ZERO).await.count, 1);
    assert_eq!(shell.wait().signal(), Some(Signal::KILL.as_raw()));
}

#[tokio::test]
async fn a_process_that_cannot_be_started_is_not_recorded() {
    let sessions = Sessions::default();
    let refused = || Err::<((), Option<u32>), _>(io::Error::other("no"));
    assert_eq!(sessions.spawn(refused).unwrap_err().to_string(), "no");
    sessions.spawn(|| Ok(((), None))).unwrap();
    sessions.spawn(|| Ok(((), Some(u32::MAX)))).unwrap();
    assert_eq!(sessions.identities().len(), 0);
}

/// However many sessions start and end while orphans are reaped, no exit status is lost.
#[tokio::test]
async fn reaping_and_starting_at_the_same_time() {
    let _turn = exclusive().await;
    let sessions = Sessions::default();
    let tree = Tree::begin(sessions.clone()).unwrap();
    let starting = std::thread::spawn(move || {
        for _ in 0..50 {
            let mut shell = session(&sessions, "exit 9");
            wait_for(shell.pid(), WaitIdOptions::EXITED);
            std::thread::yield_now();
            assert_eq!(shell.wait().code(), Some(9));
            forget(&sessions, shell.pid());
        }
    });
    while !starting.is_finished() {
        assert_eq!(tree.reap_orphans().unwrap(), 0);
    }
    starting.join().unwrap();
}
