use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use rustix::process::Signal;

use super::*;
use crate::testing::{Shell, exclusive, exists, unique_run_id, wait_for};

/// Long enough never to be reached on a machine that works.
const LONG: Duration = Duration::from_mins(1);

/// A script that starts a process which leaves its parent, session and group, prints its pid, and waits.
const DAEMON: &str = "setsid sh -c 'echo $$; read never <&3' &";

fn tree_of(script: &str) -> (Tree, Shell) {
    let mut tree = Tree::begin(Sessions::default()).unwrap();
    let shell = Shell::start(script);
    tree.set_worker(shell.pid()).unwrap();
    (tree, shell)
}

fn assert_empty(tree: &Tree) {
    assert_eq!(tree.pids().unwrap(), []);
}

#[tokio::test]
async fn a_daemon_stays_in_the_tree() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of(DAEMON);
    let daemon = shell.pid_line();
    assert!(shell.wait().success());
    assert_eq!(tree.pids().unwrap(), [daemon]);
    let ended = tree.end(LONG, None).await;
    assert_eq!(ended, TreeExit { count: 1, names: vec!["sh".into()], problem: None });
    let words = "the job left a process that had to be ended: sh";
    assert_eq!(ended.left_behind().unwrap(), words);
    assert_empty(&tree);
    assert!(!exists(daemon), "its exit status was not taken");
}

#[tokio::test]
async fn an_orphan_is_a_child() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of(DAEMON);
    let daemon = shell.pid_line();
    assert!(!has_no_child());
    assert!(shell.wait().success());
    assert!(!has_no_child(), "{daemon:?} was forgotten");
    assert!(!tree.wait_until_empty(Duration::ZERO).await.unwrap());
    tree.end(Duration::ZERO, None).await;
    assert!(tree.wait_until_empty(LONG).await.unwrap());
}

#[tokio::test]
async fn an_empty_tree_has_no_message() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of("exit 3");
    assert_eq!(shell.wait().code(), Some(3));
    for grace in [LONG, Duration::ZERO] {
        let ended = tree.end(grace, None).await;
        assert_eq!((&ended, ended.left_behind()), (&TreeExit::default(), None));
    }
}

#[tokio::test]
async fn the_worker_gets_sigterm_and_keeps_its_exit_status() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of("trap 'exit 7' TERM; echo ready; read never");
    assert_eq!(shell.line(), "ready");
    assert_eq!(tree.end(LONG, None).await, TreeExit::default());
    assert_eq!(shell.wait().code(), Some(7));
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of("trap '' TERM; echo ready; read never");
    assert_eq!(shell.line(), "ready");
    let begin = Instant::now();
    assert_eq!(tree.end(Duration::from_millis(50), None).await, TreeExit::default());
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(shell.wait().signal(), Some(Signal::KILL.as_raw()));
}

#[tokio::test]
async fn without_grace_there_is_no_sigterm() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of("trap 'exit 7' TERM; echo ready; read never");
    assert_eq!(shell.line(), "ready");
    tree.end(Duration::ZERO, None).await;
    assert_eq!(shell.wait().signal(), Some(Signal::KILL.as_raw()));
}

#[tokio::test]
async fn a_stopped_process_gets_sigterm() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of("trap 'exit 7' TERM; kill -STOP $$; read never");
    wait_for(shell.pid(), WaitIdOptions::STOPPED);
    assert_eq!(tree.end(LONG, None).await, TreeExit::default());
    assert_eq!(shell.wait().code(), Some(7));
}

#[tokio::test]
async fn earlier_descendants_are_not_ended() {
    let _turn = exclusive().await;
    let mut before = Shell::start("echo ready; read line; echo still here");
    assert_eq!(before.line(), "ready");
    let (tree, mut shell) = tree_of(DAEMON);
    shell.pid_line();
    shell.wait();
    assert_eq!(tree.end(Duration::ZERO, None).await.count, 1);
    before.input.take();
    assert_eq!(before.line(), "still here");
    assert!(before.wait().success());
}

#[tokio::test]
async fn a_name_hides_no_process() {
    let _turn = exclusive().await;
    let script = "(printf ') Z 1\\n(' > /proc/self/comm; exec 4<&3; sh -c 'printf \") R 0 (\" > /proc/$$/comm; \
         echo $$; read never <&3') & wait";
    let (tree, mut shell) = tree_of(script);
    let hidden = shell.pid_line();
    assert!(tree.pids().unwrap().contains(&hidden));
    let ended = tree.end(Duration::ZERO, None).await;
    assert!(ended.names.contains(&") R 0 (".to_owned()), "{ended:?}");
    shell.wait();
    assert_empty(&tree);
}

#[tokio::test]
async fn orphans_are_reaped_and_the_worker_is_not() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of(DAEMON);
    let daemon = shell.pid_line();
    wait_for(shell.pid(), WaitIdOptions::EXITED);
    assert_eq!(tree.reap_orphans().unwrap(), 0);
    shell.input.take();
    wait_for(daemon, WaitIdOptions::EXITED);
    assert_eq!(tree.reap_orphans().unwrap(), 1);
    assert!(!exists(daemon) && exists(shell.pid()));
    assert!(shell.wait().success());
}

#[tokio::test]
async fn helpers_that_end_by_themselves_are_not_left_behind() {
    let _turn = exclusive().await;
    let (tree, mut shell) = tree_of(DAEMON);
    shell.pid_line();
    shell.wait();
    assert!(!tree.wait_until_empty(Duration::ZERO).await.unwrap());
    shell.input.take();
    assert!(tree.wait_until_empty(LONG).await.unwrap());
    assert_eq!(tree.end(LONG, None).await, TreeExit::default());
}

/// Several processes that keep starting a successor and exiting, so that a process that is found is already
/// gone. The chains end by themselves, but only after many seconds. (The shell is replaced now and then
/// because the depth of function calls is limited.)
fn chains(count: u32, start: &str) -> String {
    let hop = "trap \"\" TERM; n=$1; \
               hop() { n=$((n - 1)); [ $n -gt 0 ] || exit; \
               if [ $((n % 500)) -eq 0 ]; then exec sh -c \"$0\" \"$0\" $n; else START & fi; }; hop";
    let hop = hop.replace("START", start);
    format!(
        "hop='{hop}'; for chain in $(seq {count}); do sh -c \"$hop\" \"$hop\" 4000 & done; \
         echo ready; wait; read never"
    )
}

/// A successor that leaves session and group of its predecessor.
const HOP_WITH_SETSID: &str = "setsid sh -c \"$0\" \"$0\" $n";

async fn check_bomb(script: &str, cgroup: Option<&Cgroup>) {
    let (tree, mut shell) = tree_of(&format!("trap '' TERM; read go; {script}"));
    if let Some(cgroup) = cgroup {
        cgroup.add(shell.pid()).unwrap();
    }
    std::io::Write::write_all(shell.input.as_mut().unwrap(), b"go\n").unwrap();
    assert_eq!(shell.line(), "ready");
    let ended = tree.end(Duration::from_millis(300), cgroup).await;
    assert_eq!(ended.problem, None);
    assert!(ended.count > 0);
    shell.wait();
    assert_empty(&tree);
}

#[tokio::test]
async fn processes_that_fork_without_end() {
    let _turn = exclusive().await;
    check_bomb(&chains(8, "hop"), None).await;
}

#[tokio::test]
async fn processes_that_fork_into_groups_of_their_own() {
    let _turn = exclusive().await;
    check_bomb(&chains(4, HOP_WITH_SETSID), None).await;
}

#[tokio::test]
async fn processes_that_fork_in_a_cgroup() {
    let _turn = exclusive().await;
    let cgroup = match Cgroup::create(unique_run_id(0xe1)) {
        Ok(cgroup) => cgroup,
        Err(reason) => return assert!(!reason.is_empty(), "there is no cgroup without a reason"),
    };
    check_bomb(&chains(4, HOP_WITH_SETSID), Some(&cgroup)).await;
    cgroup.remove().await.unwrap();
}

#[tokio::test]
async fn processes_that_multiply() {
    let _turn = exclusive().await;
    let script = "trap '' TERM; echo ready; bomb() { [ $1 -gt 0 ] || exec sleep 1000; \
                  bomb $(($1 - 1)) & bomb $(($1 - 1)) & wait; }; bomb 8";
    check_bomb(script, None).await;
}

#[tokio::test]
async fn a_tree_without_worker_counts_all() {
    let _turn = exclusive().await;
    let tree = Tree::begin(Sessions::default()).unwrap();
    let mut shell = Shell::start("echo ready; read never");
    assert_eq!(shell.line(), "ready");
    assert_eq!(tree.end(LONG, None).await.count, 1);
}
