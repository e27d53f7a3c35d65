use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::testing::{Shell, exclusive, unique_run_id};
use crate::{Sessions, Tree, UsageMeter};

/// Waits for a line, then holds 200 MB of memory until its input ends.
const ALLOCATE: &str = "echo ready; read go; if head -c 200000000 /dev/zero | tail; then echo; \
                        echo allocated; read end; else echo; echo refused; fi 2>/dev/null";

fn start_allocation(shell: &mut Shell) {
    shell.input.as_mut().unwrap().write_all(b"go\n").unwrap();
}

/// The last line, `allocated` or `refused`; before it come 200 MB without a line break, if they were not
/// refused.
fn verdict(shell: &mut Shell) -> String {
    shell.line();
    shell.line()
}

#[tokio::test]
async fn a_limit_of_the_address_space() {
    let _turn = exclusive().await;
    for (bytes, expected) in [(100_000_000, "refused"), (2_000_000_000, "allocated")] {
        let mut shell = Shell::start(ALLOCATE);
        assert_eq!(shell.line(), "ready");
        let limit = MemoryLimit::set(shell.pid(), bytes, Err("no cgroup today")).unwrap();
        let because = "no cgroup today".to_owned();
        assert_eq!(limit, MemoryLimit::AddressSpace { bytes, because });
        start_allocation(&mut shell);
        assert_eq!(verdict(&mut shell), expected);
        shell.input.take();
        shell.wait();
    }
}

#[tokio::test]
async fn a_limit_of_a_cgroup() {
    let _turn = exclusive().await;
    let cgroup = match Cgroup::create(unique_run_id(0xa1)) {
        Ok(cgroup) => cgroup,
        Err(reason) => return assert!(!reason.is_empty(), "there is no cgroup without a reason"),
    };
    let mut shell = Shell::start(ALLOCATE);
    assert_eq!(shell.line(), "ready");
    cgroup.add(shell.pid()).unwrap();
    let before = cgroup.oom_count();
    match MemoryLimit::set(shell.pid(), 50_000_000, Ok(&cgroup)).unwrap() {
        MemoryLimit::Cgroup { bytes } => assert_eq!(bytes, 50_000_000),
        MemoryLimit::AddressSpace { because, .. } => {
            return assert_eq!(because, "the cgroup has no memory controller");
        }
    }
    start_allocation(&mut shell);
    assert_eq!(verdict(&mut shell), "refused");
    let count = cgroup.oom_count().unwrap().since(before.unwrap());
    assert!(count.kills >= 1 && count.at_limit >= 1, "{count:?}");
    shell.wait();
    cgroup.remove().await.unwrap();
}

#[tokio::test]
async fn memory_of_all_processes_together() {
    let _turn = exclusive().await;
    let tree = Arc::new(Tree::begin(Sessions::default()).unwrap());
    let meter = UsageMeter::begin(&tree, None);
    assert_eq!(meter.read().memory, Some(0));
    let mut shell = Shell::start("echo ready; read never");
    assert_eq!(shell.line(), "ready");
    let used = meter.read().memory.unwrap();
    assert!((100_000..100_000_000).contains(&used), "{used}");
    shell.input.take();
    shell.wait();
    assert_eq!(meter.read().memory, Some(0));
}

#[test]
fn a_process_that_is_gone_takes_no_limit() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = Pid::from_child(&child);
    child.wait().unwrap();
    let error = MemoryLimit::set(pid, 1_000_000, Err("no cgroup today")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot limit the memory of the job, neither by a cgroup (no cgroup today) nor by its address \
         space: No such process (os error 3)"
    );
    assert_eq!(resident_bytes(pid), None);
}

#[test]
fn what_is_said_about_a_limit() {
    assert_eq!(MemoryLimit::Cgroup { bytes: 1 }.warning(), None);
    let limit = MemoryLimit::AddressSpace { bytes: 512_000_000, because: "no cgroup today".into() };
    assert_eq!(
        limit.warning().unwrap(),
        "the memory limit of 512.0 MB holds for the address space of each process of the job, not for \
         all of them together: no cgroup today"
    );
}

#[test]
fn pages() {
    for (text, expected) in
        [("500 120 3 4 0 6 0\n", Some(120)), ("", None), ("5", None), ("5 x", None), ("5 -1", None)]
    {
        assert_eq!(resident_pages(text), expected, "{text:?}");
    }
}
