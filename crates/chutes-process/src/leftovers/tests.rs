use proptest::prelude::*;
use rustix::process::set_child_subreaper;

use super::*;
use crate::testing::{Shell, exclusive, exists, unique_run_id};

/// A process that does not descend from this one any more, as after the end of its supervisor.
fn orphan(run_id: RunId, start: &str, script: &str) -> (Shell, Pid) {
    // An earlier test of the tree may have made this process a subreaper.
    set_child_subreaper(None).unwrap();
    let script = format!("{start} sh -c '{script}' &");
    let mut shell = Shell::start_with(&script, &[(RUN_ID_VARIABLE, &run_id.to_string())]);
    let pid = shell.pid_line();
    assert!(shell.wait().success());
    (shell, pid)
}

const WAITS: &str = "echo $$; read never <&3";

#[tokio::test]
async fn processes_of_the_run_are_terminated_and_others_are_not() {
    let _turn = exclusive().await;
    let (mut ours, _) = orphan(
        unique_run_id(0xd1),
        "setsid",
        "trap \"echo terminated; exit\" TERM; echo $$; read never <&3",
    );
    let (mut other, other_pid) = orphan(unique_run_id(0xd2), "setsid", WAITS);
    let ended = kill_leftovers(unique_run_id(0xd1)).await;
    assert_eq!(ended, TreeExit { count: 1, names: vec!["sh".into()], problem: None });
    assert_eq!(ours.line(), "terminated");
    assert!(exists(other_pid));
    other.input.take();
    assert_eq!(other.line(), "");
    assert_eq!(kill_leftovers(unique_run_id(0xd2)).await, TreeExit::default());
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_with_its_descendants() {
    let _turn = exclusive().await;
    let script =
        "trap \"\" TERM; echo $$; env -i sh -c \"trap \\\"\\\" TERM; echo ready; read never <&3\"";
    let (mut shell, _) = orphan(unique_run_id(0xd3), "setsid", script);
    assert_eq!(shell.line(), "ready");
    let ended = kill_leftovers(unique_run_id(0xd3)).await;
    assert_eq!((ended.count, ended.problem), (2, None));
    // No process is left that could print.
    assert_eq!(shell.line(), "");
}

#[tokio::test]
async fn descendants_of_this_process_are_not_ended() {
    let _turn = exclusive().await;
    let run_id = unique_run_id(0xd4);
    let mut own = Shell::start_with(
        "echo ready; read line; echo alive",
        &[(RUN_ID_VARIABLE, &run_id.to_string())],
    );
    assert_eq!(own.line(), "ready");
    assert_eq!(kill_leftovers(run_id).await, TreeExit::default());
    own.input.take();
    assert_eq!(own.line(), "alive");
    own.wait();
}

#[tokio::test]
async fn a_process_with_a_cleared_environment_is_found_by_its_cgroup() {
    let _turn = exclusive().await;
    let run_id = unique_run_id(0xd5);
    let cgroup = match Cgroup::create(run_id) {
        Ok(cgroup) => cgroup,
        Err(reason) => return assert!(!reason.is_empty(), "there is no cgroup without a reason"),
    };
    let (mut shell, pid) = orphan(run_id, "env -i setsid", WAITS);
    assert!(!Leftovers::of(run_id).matches(pid));
    cgroup.add(pid).unwrap();
    assert!(Leftovers::of(run_id).matches(pid));
    drop(cgroup);
    assert_eq!(kill_leftovers(run_id).await.count, 1);
    assert_eq!(shell.line(), "");
    assert!(Cgroup::find_existing(run_id).is_none());
}

#[test]
fn variables() {
    fn check(environment: &str, expected: bool) {
        assert_eq!(has_variable(environment.as_bytes(), "A=1"), expected, "{environment:?}");
    }
    check("A=1", true);
    check("B=2\0A=1\0C=3\0", true);
    check("", false);
    check("A=12\0", false);
    check("AA=1\0", false);
    check("B=A=1\0", false);
}

#[test]
fn cgroups() {
    fn check(cgroups: &str, expected: bool) {
        assert_eq!(is_in_cgroup(cgroups.as_bytes(), "chutes-7"), expected, "{cgroups:?}");
    }
    check("0::/chutes-7\n", true);
    check("4:memory:/a\n0::/b/chutes-7/of the job\n", true);
    check("0::/chutes-77\n", false);
    check("1:chutes-7:/\n", false);
    check("0::/\n", false);
    check("", false);
}

proptest! {
    #[test]
    fn a_variable_is_found_wherever_it_stands(before: Vec<u8>, behind: Vec<u8>) {
        let environment = [&before[..], b"\0A=1\0", &behind[..]].concat();
        prop_assert!(has_variable(&environment, "A=1"));
        let path = [&before[..], b"\n0::/x/chutes-7\n", &behind[..]].concat();
        prop_assert!(is_in_cgroup(&path, "chutes-7"));
    }
}
