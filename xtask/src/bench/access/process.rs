//! What processes and those that they have started cost, by `/proc`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How long the processes of a client that is gone may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time of the processors that a process has used, to 10 ms, with all that it has started and that
/// has ended.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("a server has ended")?;
    // See proc_pid_stat(5): behind the name `utime`, `stime`, `cutime` and `cstime` are the twelfth to
    // the fifteenth.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>().context("unknown form of `/proc/PID/stat`")?;
    Ok(Duration::from_millis(ticks * 10))
}

/// The processes that all threads of a process have started and that are there.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect()
}

/// Waits until a process has this many children, which are those that it keeps. Only then the cost of
/// the others is known.
pub(crate) fn settle(pid: u32, count: usize) -> Result<()> {
    let begin = Instant::now();
    while children(pid).len() > count {
        ensure!(begin.elapsed() < PATIENCE, "processes of clients do not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Memory of several processes together, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// What each of them has, counted once for each.
    pub(crate) resident: u64,
    /// The same, with what they share counted once.
    pub(crate) shared_once: u64,
}

/// The memory of a process and of those below it whose program has the same name: not of what they have
/// started for others.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let name = name(pid);
    ensure!(!name.is_empty(), "a server has ended");
    let (mut found, mut left) = (Vec::new(), vec![pid]);
    while let Some(pid) = left.pop() {
        found.push(pid);
        left.extend(children(pid).into_iter().filter(|child| self::name(*child) == name));
    }
    Ok(memory_of(&found))
}

/// The memory of these processes. One that has ended has none.
pub(crate) fn memory_of(processes: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for pid in processes {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        sum.resident += field(&rollup, "Rss:").unwrap_or_default();
        sum.shared_once += field(&rollup, "Pss:").unwrap_or_default();
    }
    sum
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

fn field(rollup: &str, name: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn fields_of_memory() {
        let rollup = "55d0-7ffe ---p [rollup]\nRss:  1024 kB\nPss:   512 kB\nPss_Anon: 3 kB\n";
        for (name, expected) in [("Rss:", Some(1024)), ("Pss:", Some(512)), ("Swap:", None)] {
            assert_eq!(field(rollup, name), expected, "{name}");
        }
    }

    #[test]
    fn a_child_is_seen_until_it_has_ended() {
        let here = std::process::id();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(children(here).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children(here).contains(&child.id()));
        assert!(memory(here).unwrap().resident > 0 && cpu(here).is_ok());
    }
}
