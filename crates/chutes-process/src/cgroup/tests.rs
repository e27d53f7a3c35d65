//! Tests of cgroups. Where no cgroup can be made, they check only that a reason is given.

use super::*;
use crate::testing::{Shell, exclusive, unique_run_id};

fn create(byte: u8) -> Option<(RunId, Cgroup)> {
    let run_id = unique_run_id(byte);
    match Cgroup::create(run_id) {
        Ok(cgroup) => Some((run_id, cgroup)),
        Err(reason) => {
            let known = ["cannot create the cgroup ", "no cgroup file system is mounted"];
            assert!(known.iter().any(|known| reason.starts_with(known)), "{reason}");
            None
        }
    }
}

/// Four processes, each of which starts new processes without end and ignores SIGTERM.
const BOMB: &str = "trap '' TERM; for chain in 1 2 3 4; do \
                    (trap '' TERM; while :; do setsid sh -c 'trap \"\" TERM; exec sleep 20' & \
                    sleep 0.02; done) & done; echo ready; wait";

#[tokio::test]
async fn all_processes_in_it_are_killed() {
    let _turn = exclusive().await;
    let Some((_, cgroup)) = create(0xc1) else { return };
    let mut shell = Shell::start(&format!("read go; {BOMB}"));
    cgroup.add(shell.pid()).unwrap();
    std::io::Write::write_all(shell.input.as_mut().unwrap(), b"go\n").unwrap();
    assert_eq!(shell.line(), "ready");
    assert!(cgroup.pids().contains(&shell.pid()));
    cgroup.kill_all();
    shell.wait();
    let directories = cgroup.directories.clone();
    cgroup.remove().await.unwrap();
    assert!(directories.iter().all(|directory| !directory.exists()));
}

#[tokio::test]
async fn all_processes_in_it_are_killed_by_an_old_kernel() {
    let _turn = exclusive().await;
    let Some((_, cgroup)) = create(0xc2) else { return };
    let mut shell = Shell::start(&format!("read go; {BOMB}"));
    cgroup.add(shell.pid()).unwrap();
    std::io::Write::write_all(shell.input.as_mut().unwrap(), b"go\n").unwrap();
    assert_eq!(shell.line(), "ready");
    cgroup.kill_one_by_one();
    shell.wait();
    cgroup.remove().await.unwrap();
}

#[tokio::test]
async fn a_cgroup_that_is_not_empty_stays() {
    let _turn = exclusive().await;
    let Some((run_id, cgroup)) = create(0xc3) else { return };
    let mut shell = Shell::start("echo ready; read never");
    cgroup.add(shell.pid()).unwrap();
    drop(cgroup);
    assert!(Cgroup::find_existing(run_id).unwrap().remove().await.is_err());
    assert!(shell.child.try_wait().unwrap().is_none(), "removing has killed the process");
    shell.input.take();
    shell.wait();
    Cgroup::find_existing(run_id).unwrap().remove().await.unwrap();
    assert!(Cgroup::find_existing(run_id).is_none());
}

#[tokio::test]
async fn cgroups_that_the_job_has_made_in_it_are_removed() {
    let _turn = exclusive().await;
    let Some((_, cgroup)) = create(0xc4) else { return };
    let directory = cgroup.directories[0].clone();
    std::fs::create_dir_all(directory.join("a/b")).unwrap();
    std::fs::create_dir(directory.join("c")).unwrap();
    cgroup.remove().await.unwrap();
    assert!(!directory.exists());
}

#[tokio::test]
async fn memory_is_counted() {
    let _turn = exclusive().await;
    let Some((_, cgroup)) = create(0xc5) else { return };
    if cgroup.memory.is_none() {
        let reason = cgroup.limit_memory(1).unwrap_err();
        assert_eq!(reason, "the cgroup has no memory controller");
        assert_eq!((cgroup.memory_in_use(), cgroup.oom_count()), (None, None));
        return;
    }
    let before = cgroup.memory_in_use().unwrap();
    let mut shell =
        Shell::start("read go; head -c 60000000 /dev/zero | (tail; echo) & sleep 0; read never");
    cgroup.add(shell.pid()).unwrap();
    std::io::Write::write_all(shell.input.as_mut().unwrap(), b"go\n").unwrap();
    // All of the memory is allocated when the first byte is printed.
    let mut first = [0];
    shell.read_exact(&mut first);
    assert!(cgroup.memory_in_use().unwrap() > before + 50_000_000);
    assert_eq!(cgroup.oom_count().unwrap().kills, 0);
    cgroup.kill_all();
    shell.wait();
    cgroup.remove().await.unwrap();
}

#[tokio::test]
async fn a_supervisor_in_a_cgroup_of_its_own() {
    let _turn = exclusive().await;
    let run_id = unique_run_id(0xc6);
    let before = CgroupPaths::of_runs().unwrap();
    let directory = |run_id: RunId| {
        let name = format!("chutes-supervisor-{run_id}");
        before
            .unified
            .iter()
            .chain(&before.memory)
            .map(|parent| parent.join(&name))
            .collect::<Vec<_>>()
    };
    let Ok(own) = SupervisorCgroup::enter(run_id) else { return };
    let pid = rustix::process::getpid().as_raw_pid().to_string();
    let is_in = |directory: &PathBuf| {
        let pids = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        pids.lines().any(|line| line == pid)
    };
    assert!(directory(run_id).iter().any(is_in));
    assert_eq!(CgroupPaths::of_runs().unwrap(), before, "runs have their place beside it");
    // The job is beside its supervisor, and the cgroup that another supervisor has left is removed.
    let (_, job) = create(0xc7).unwrap();
    assert!(!job.pids().iter().any(|pid| *pid == rustix::process::getpid()));
    job.remove().await.unwrap();
    let dead = unique_run_id(0xc8);
    for dead in directory(dead) {
        std::fs::create_dir(dead).unwrap();
    }
    SupervisorCgroup::remove_left_behind();
    assert!(!directory(dead).iter().any(|dead| dead.exists()));
    assert!(directory(run_id).iter().any(is_in), "it is not empty");
    drop(own);
    assert!(!directory(run_id).iter().any(|left| left.exists()));
}
