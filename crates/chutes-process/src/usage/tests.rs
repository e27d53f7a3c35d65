//! What real processes use. Where no cgroup can be made, the tests with one do nothing.

use std::io::Write;

use rustix::process::WaitIdOptions;

use super::*;
use crate::Sessions;
use crate::testing::{Shell, exclusive, unique_run_id, wait_for};

/// A function that takes some 100 ms of CPU time for each 100 000.
const BURN: &str = "burn() { i=0; while [ $i -lt $1 ]; do i=$((i + 1)); done; }";

/// Short, but more than a clock tick; the shell has its own counters.
const TOLERANCE: Duration = Duration::from_millis(50);

/// A run that is measured.
struct Measured {
    tree: Arc<Tree>,
    cgroup: Option<Arc<Cgroup>>,
    meter: UsageMeter,
    shell: Shell,
}

impl Measured {
    fn without_cgroup(script: &str) -> Self {
        Self::start(script, None, Sessions::default())
    }

    /// `None` where no cgroup can be made.
    fn with_cgroup(script: &str, byte: u8) -> Option<Self> {
        let cgroup = Cgroup::create(unique_run_id(byte)).ok()?;
        Some(Self::start(script, Some(Arc::new(cgroup)), Sessions::default()))
    }

    fn start(script: &str, cgroup: Option<Arc<Cgroup>>, sessions: Sessions) -> Self {
        let mut tree = Tree::begin(sessions).unwrap();
        let mut shell = Shell::start(&format!("read go; {script}"));
        tree.set_worker(shell.pid()).unwrap();
        if let Some(cgroup) = &cgroup {
            cgroup.add(shell.pid()).unwrap();
        }
        let tree = Arc::new(tree);
        let meter = UsageMeter::begin(&tree, cgroup.as_ref());
        shell.input.as_mut().unwrap().write_all(b"go\n").unwrap();
        Self { tree, cgroup, meter, shell }
    }

    /// Lets all processes end, and makes sure that nothing is left of them.
    async fn end(&mut self) {
        self.shell.input.take();
        self.shell.wait();
        assert!(self.tree.wait_until_empty(Duration::from_mins(1)).await.unwrap());
    }

    async fn release(self) {
        if let Some(cgroup) = self.cgroup.and_then(Arc::into_inner) {
            cgroup.remove().await.unwrap();
        }
    }
}

/// Reads what `times` prints: the user and the system time of the shell, and below it that of its children.
fn times(shell: &mut Shell) -> Duration {
    let lines = [shell.line(), shell.line()];
    let of_word = |word: &str| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m').unwrap();
        let minutes: f64 = minutes.parse().unwrap();
        Duration::from_secs_f64(seconds.parse::<f64>().unwrap() + 60.0 * minutes)
    };
    lines.iter().flat_map(|line| line.split_ascii_whitespace()).map(of_word).sum()
}

#[track_caller]
fn assert_near(measured: Duration, expected: Duration) {
    assert!(expected > TOLERANCE, "the script has used too little for a test: {expected:?}");
    assert!(measured.abs_diff(expected) < TOLERANCE, "{measured:?} instead of {expected:?}");
}

/// Runs a script that prints its `times`, with and without a cgroup.
async fn check_cpu(script: &str, byte: u8) {
    let script = format!("{BURN}; {script}");
    check_cpu_of(Measured::without_cgroup(&script)).await;
    if let Some(run) = Measured::with_cgroup(&script, byte) {
        check_cpu_of(run).await;
    }
}

async fn check_cpu_of(mut run: Measured) {
    let expected = times(&mut run.shell);
    assert_near(run.meter.read().cpu, expected);
    run.end().await;
    let end = run.meter.read();
    assert_near(end.cpu, expected);
    assert_eq!((end.processes, run.meter.read()), (Some(0), end));
    run.release().await;
}

#[tokio::test]
async fn cpu_time() {
    let _turn = exclusive().await;
    check_cpu("burn 300000; times; read never", 0xd1).await;
}

#[tokio::test]
async fn cpu_time_of_a_process_that_ends() {
    let _turn = exclusive().await;
    check_cpu("burn 300000; times", 0xd2).await;
}

#[tokio::test]
async fn cpu_time_of_many_short_processes() {
    let _turn = exclusive().await;
    check_cpu("for n in $(seq 100); do (burn 3000); done; times; read never", 0xd3).await;
}

#[tokio::test]
async fn cpu_time_of_a_daemon() {
    let _turn = exclusive().await;
    let script = format!("setsid sh -c '{BURN}; burn 300000; times; read never <&3' &");
    for cgroup in [None, Cgroup::create(unique_run_id(0xd4)).ok().map(Arc::new)] {
        let mut run = Measured::start(&script, cgroup, Sessions::default());
        assert!(run.shell.wait().success());
        let expected = times(&mut run.shell);
        let usage = run.meter.read();
        assert_near(usage.cpu, expected);
        assert_eq!(usage.processes, Some(1));
        run.end().await;
        assert_near(run.meter.read().cpu, expected);
        run.release().await;
    }
}

#[tokio::test]
async fn cpu_time_never_goes_down() {
    let _turn = exclusive().await;
    let script = format!("{BURN}; for n in $(seq 200); do (burn 100 & burn 100); done; times");
    for cgroup in [None, Cgroup::create(unique_run_id(0xd5)).ok().map(Arc::new)] {
        let mut run = Measured::start(&script, cgroup, Sessions::default());
        let mut last = run.meter.read();
        while last.processes != Some(0) {
            run.tree.reap_orphans().unwrap();
            let next = run.meter.read();
            assert!(next.cpu >= last.cpu, "{next:?} after {last:?}");
            last = next;
        }
        run.end().await;
        // The children that were left to this process are not in the times of the shell.
        let of_shell = times(&mut run.shell);
        assert!(run.meter.read().cpu + TOLERANCE > of_shell);
        run.release().await;
    }
}

#[tokio::test]
async fn other_processes_are_left_out() {
    let _turn = exclusive().await;
    let burn = format!("{BURN}; burn 300000; times; read never");
    let mut before = Shell::start(&burn);
    let sessions = Sessions::default();
    let mut run = Measured::start("read never", None, sessions.clone());
    let spawn = || {
        let shell = Shell::start(&burn);
        let pid = shell.child.id();
        Ok((shell, Some(pid)))
    };
    let mut session = sessions.spawn(spawn).unwrap();
    for shell in [&mut before, &mut session] {
        assert!(times(shell) > 2 * TOLERANCE);
        let usage = run.meter.read();
        assert!(usage.cpu < TOLERANCE, "{usage:?}");
        assert_eq!(usage.processes, Some(1));
    }
    for shell in [&mut before, &mut session] {
        shell.input.take();
        shell.wait();
        assert!(run.meter.read().cpu < TOLERANCE);
    }
    sessions.forget(session.child.id());
    run.end().await;
    let usage = run.meter.read();
    assert!(usage.cpu < TOLERANCE, "{usage:?}");
}

/// Holds 60 MB until its input ends, after a byte that is printed when it does.
const ALLOCATE: &str = "head -c 60000000 /dev/zero | (tail; echo) & read never";

#[tokio::test]
async fn memory() {
    let _turn = exclusive().await;
    for cgroup in [None, Cgroup::create(unique_run_id(0xd6)).ok().map(Arc::new)] {
        let mut run = Measured::start(ALLOCATE, cgroup, Sessions::default());
        let before = run.meter.read();
        assert!(before.memory.unwrap() < 40_000_000, "{before:?}");
        run.shell.read_exact(&mut [0]);
        let during = run.meter.read();
        assert!(during.memory.unwrap() > 50_000_000, "{during:?}");
        assert!(during.peak_memory >= during.memory, "{during:?}");
        assert!(during.processes.unwrap() >= 2, "{during:?}");
        run.shell.line();
        run.end().await;
        let end = run.meter.read();
        assert!(end.memory.unwrap() < 40_000_000, "{end:?}");
        assert!(end.peak_memory >= during.peak_memory, "{end:?}");
        run.release().await;
    }
}

/// The kernel knows a peak that was never read.
#[tokio::test]
async fn peak_of_memory_in_a_cgroup() {
    let _turn = exclusive().await;
    let Some(mut run) = Measured::with_cgroup(ALLOCATE, 0xd7) else { return };
    run.shell.line();
    run.end().await;
    let kernel = run.cgroup.as_ref().unwrap().counted().peak_memory;
    let peak = run.meter.read().peak_memory;
    assert!(kernel.is_none_or(|kernel| kernel > 50_000_000), "{kernel:?}");
    assert!(peak >= kernel && peak.is_some(), "{peak:?}, {kernel:?}");
    run.release().await;
}

/// Writes and reads a file, then prints what the kernel has counted for it and for its children.
const TRANSFER: &str = "dd if=/dev/zero of=$FILE bs=1M count=4 conv=fsync 2>/dev/null; \
                        dd if=$FILE of=/dev/null bs=1M count=3 iflag=direct 2>/dev/null; \
                        while read line; do echo $line; done < /proc/$$/io; echo; read never";

/// What a script prints until an empty line, as the kernel writes it for a process.
fn printed(shell: &mut Shell) -> Transferred {
    let lines = std::iter::from_fn(|| Some(shell.line()).filter(|line| !line.is_empty()));
    parse_io(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

#[tokio::test]
async fn storage() {
    let _turn = exclusive().await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("FILE={}; {TRANSFER}", folder.path().join("file").display());
    for cgroup in [None, Cgroup::create(unique_run_id(0xd8)).ok().map(Arc::new)] {
        let counts = cgroup.as_ref().is_some_and(|cgroup| cgroup.counted().transferred.is_some());
        let mut run = Measured::start(&script, cgroup, Sessions::default());
        let expected = printed(&mut run.shell);
        let during = run.meter.read();
        if !counts {
            // The shell has read its own counters before.
            assert_eq!(
                (during.read, during.written),
                (Some(expected.read), Some(expected.written))
            );
        }
        run.end().await;
        let end = run.meter.read();
        assert_eq!((end.read, end.written), (during.read, during.written));
        run.release().await;
    }
}

async fn check_that_totals_stay(mut run: Measured, release: impl FnOnce(&mut Measured)) {
    assert_eq!(run.shell.line(), "ready");
    run.end().await;
    let last = run.meter.read();
    assert!(last.cpu > TOLERANCE && last.peak_memory > Some(0), "{last:?}");
    release(&mut run);
    assert_eq!(run.meter.read(), last.totals());
}

#[tokio::test]
async fn the_last_totals_stay() {
    let _turn = exclusive().await;
    let script = format!("{BURN}; burn 300000; echo ready; read never");
    let of_tree = |run: &mut Measured| {
        run.tree = Arc::new(Tree::begin(Sessions::default()).unwrap());
    };
    check_that_totals_stay(Measured::without_cgroup(&script), of_tree).await;
    if let Some(run) = Measured::with_cgroup(&script, 0xd9) {
        check_that_totals_stay(run, |run| run.cgroup = None).await;
    }
}

#[tokio::test]
async fn a_process_that_has_ended_is_counted_until_its_exit_status_is_taken() {
    let _turn = exclusive().await;
    let mut run = Measured::without_cgroup(&format!("{BURN}; burn 300000; times"));
    let expected = times(&mut run.shell);
    wait_for(run.shell.pid(), WaitIdOptions::EXITED);
    let ended = run.meter.read();
    assert_near(ended.cpu, expected);
    assert_eq!((ended.processes, ended.memory), (Some(0), Some(0)));
    run.end().await;
    assert_near(run.meter.read().cpu, expected);
}

#[test]
fn clock_ticks() {
    let per_second = clock_ticks_per_second();
    let check = |ticks: u64, expected: Duration| assert_eq!(time(ticks), expected, "{ticks}");
    check(0, Duration::ZERO);
    check(per_second, Duration::from_secs(1));
    check(per_second * 3 + per_second / 2, Duration::from_millis(3_500));
    assert!(time(u64::MAX) > Duration::from_secs(u64::MAX / per_second - 1));
}

#[test]
fn counters_of_a_process() {
    let check = |text: &str, expected: Option<(u64, u64)>| {
        let expected = expected.map(|(read, written)| Transferred { read, written });
        assert_eq!(parse_io(text), expected, "{text:?}");
    };
    let all = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n\
               cancelled_write_bytes: 7\n";
    check(all, Some((5, 6)));
    check("read_bytes: 5\n", None);
    check("read_bytes: x\nwrite_bytes: 6\n", None);
    check("read_bytes:5\nwrite_bytes: 6\n", None);
    check("", None);
}
