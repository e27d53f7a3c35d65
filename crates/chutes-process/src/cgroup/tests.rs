//! Where no cgroup can be made, these tests only hold that there is a reason.

use super::*;
use crate::testing::{Shell, alone, run_of};

fn create(byte: u8) -> Option<(RunId, Cgroup)> {
    let run_id = run_of(byte);
    match Cgroup::create(run_id) {
        Ok(cgroup) => Some((run_id, cgroup)),
        Err(reason) => {
            let known = ["cannot create the cgroup ", "no cgroup file system is mounted"];
            assert!(known.iter().any(|known| reason.starts_with(known)), "{reason}");
            None
        }
    }
}

/// Processes that start a process each all the time, and never end by themselves.
const BOMB: &str = "trap '' TERM; for chain in 1 2 3 4; do \
                    (trap '' TERM; while :; do setsid sh -c 'trap \"\" TERM; exec sleep 20' & \
                    sleep 0.02; done) & done; echo ready; wait";

#[tokio::test]
async fn everybody_in_it_is_killed() {
    let _turn = alone().await;
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
async fn everybody_in_it_is_killed_by_an_old_kernel() {
    let _turn = alone().await;
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
async fn one_that_is_not_empty_stays() {
    let _turn = alone().await;
    let Some((run_id, cgroup)) = create(0xc3) else { return };
    let mut shell = Shell::start("echo ready; read never");
    cgroup.add(shell.pid()).unwrap();
    drop(cgroup);
    assert!(Cgroup::of_dead_run(run_id).unwrap().remove().await.is_err());
    assert!(shell.child.try_wait().unwrap().is_none(), "removing has killed somebody");
    shell.input.take();
    shell.wait();
    Cgroup::of_dead_run(run_id).unwrap().remove().await.unwrap();
    assert!(Cgroup::of_dead_run(run_id).is_none());
}

#[tokio::test]
async fn cgroups_that_the_job_has_made_in_it_are_removed() {
    let _turn = alone().await;
    let Some((_, cgroup)) = create(0xc4) else { return };
    let directory = cgroup.directories[0].clone();
    std::fs::create_dir_all(directory.join("a/b")).unwrap();
    std::fs::create_dir(directory.join("c")).unwrap();
    cgroup.remove().await.unwrap();
    assert!(!directory.exists());
}

#[tokio::test]
async fn memory_is_counted() {
    let _turn = alone().await;
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
    // Its memory is all there when its first byte is printed.
    let mut first = [0];
    shell.read_exact(&mut first);
    assert!(cgroup.memory_in_use().unwrap() > before + 50_000_000);
    assert_eq!(cgroup.oom_count().unwrap().kills, 0);
    cgroup.kill_all();
    shell.wait();
    cgroup.remove().await.unwrap();
}
