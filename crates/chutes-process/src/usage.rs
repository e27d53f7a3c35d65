//! Measuring what the processes of a run use, from outside.
//!
//! The kernel counts for a cgroup, exactly and at little cost. What it does not count there is put together from the
//! processes: those of the job in `/proc`, and what this process has inherited from children that have ended.

mod ledger;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chutes_core::Usage;
use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;

use self::ledger::{Amount, Ledger};
use super::cgroup::{Cgroup, Counted, Transferred};
use super::memory::resident_bytes;
use super::procfs::{Process, Table};
use super::tree::{Tree, ended_children_ticks};

/// The largest number of processes that are measured one by one in a reading.
const MOST_PROCESSES: usize = 1_000;

/// More bytes than there are in `/proc/PID/io`.
const USUAL_IO: usize = 512;

/// Measures what the processes of one run use.
///
/// From the cgroup come the CPU time (version 2), the memory and its peak (both versions), the bytes of storage
/// (version 2, with the `io` controller) and the number of processes. What a cgroup does not count is measured
/// otherwise:
///
/// - The CPU time is that of all processes in the tree, and of the children of this process that have ended. Sessions
///   and other processes that are not of the job are left out, except for what they used between the last reading
///   and their end. It is counted in clock ticks, usually of 10 ms. A process whose exit status nobody takes,
///   because its parent ignores SIGCHLD, is no longer in it after its end.
/// - The memory is the sum over all processes; what they share is counted several times. Its peak is the most that was
///   read.
/// - The bytes of storage are those of all processes, with those of a process that has ended as they were at the last
///   reading. Processes whose counters may not be read are left out.
///
/// # Cost
///
/// With a cgroup of version 2 that has its controllers, a reading opens some eight small files, however many processes
/// there are, and two for each cgroup that the job has made in it. Otherwise it opens two or three files for each
/// process of the job, of up to 1000: with more than that, the memory is unknown and the bytes stay as they were.
/// Without a cgroup of version 2, it also reads the table of all processes of the machine. The kernel makes up the
/// content of these files: to read one takes some 20 µs, and nothing waits for a disk.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::process::Command;
/// use std::sync::Arc;
///
/// use chutes_process::{Sessions, Tree, UsageMeter};
///
/// let tree = Arc::new(Tree::begin(Sessions::default())?);
/// let meter = UsageMeter::begin(&tree, None);
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// assert_eq!(meter.read().processes, Some(1));
/// child.kill()?;
/// child.wait()?;
/// let usage = meter.read();
/// assert_eq!((usage.processes, usage.memory), (Some(0), Some(0)));
/// assert!(usage.peak_memory > Some(0));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct UsageMeter {
    /// The owner of the run removes the cgroup; a meter does not keep it.
    tree: Weak<Tree>,
    cgroup: Option<Weak<Cgroup>>,
    /// What the cgroup counted at the beginning. What is measured in one way stays so: the ways differ a little, and
    /// a total would jump.
    by_cgroup: Counted,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Usage,
    /// What each process of the job has transferred.
    transferred: Ledger<Transferred>,
    /// The CPU time, in clock ticks, of the children of this process that do not belong to the job.
    outside: Ledger<u64>,
}

impl Amount for Transferred {
    fn plus(self, other: Self) -> Self {
        Self {
            read: self.read.saturating_add(other.read),
            written: self.written.saturating_add(other.written),
        }
    }
}

impl UsageMeter {
    /// Begins to measure. What the processes of the tree have used before is included.
    #[must_use]
    pub fn begin(tree: &Arc<Tree>, cgroup: Option<&Arc<Cgroup>>) -> Self {
        let meter = Self {
            tree: Arc::downgrade(tree),
            cgroup: cgroup.map(Arc::downgrade),
            by_cgroup: cgroup.map(|cgroup| cgroup.counted()).unwrap_or_default(),
            state: Mutex::default(),
        };
        // Those outside of the job are known from the first reading on, also if they end before the next one.
        let _ = meter.read();
        meter
    }

    /// What is used now, and in total so far.
    ///
    /// It never fails: what cannot be read is unknown, and a total that cannot be read stays as it was. No total is
    /// ever lower than in an earlier reading. When the tree has ended, the totals are final; when the owner has
    /// dropped it or the cgroup, the last ones are returned.
    #[must_use]
    pub fn read(&self) -> Usage {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.measure(&mut state);
        state.last = now.after(state.last);
        state.last
    }

    fn measure(&self, state: &mut State) -> Usage {
        let Some(tree) = self.tree.upgrade() else { return Usage::default() };
        let cgroup = match self.cgroup.as_ref().map(Weak::upgrade) {
            Some(None) => return Usage::default(),
            Some(cgroup) => cgroup,
            None => None,
        };
        let counted = cgroup.as_deref().map(Cgroup::counted).unwrap_or_default();
        let (cpu, pids) = match cgroup {
            Some(cgroup) if self.by_cgroup.cpu.is_some() => (counted.cpu, Some(cgroup.pids())),
            _ => state.measure_tree(&tree),
        };
        let few = pids.as_deref().filter(|pids| pids.len() <= MOST_PROCESSES);
        let transferred = match self.by_cgroup.transferred {
            Some(_) => counted.transferred,
            None => state.measure_storage(few),
        };
        let memory = match self.by_cgroup.memory {
            Some(_) => counted.memory,
            None => few.map(|pids| pids.iter().copied().filter_map(resident_bytes).sum()),
        };
        Usage {
            cpu: cpu.unwrap_or_default(),
            memory,
            peak_memory: counted.peak_memory,
            processes: pids.as_ref().map(|pids| pids.len() as u64),
            read: transferred.map(|it| it.read),
            written: transferred.map(|it| it.written),
        }
    }
}

impl State {
    /// The CPU time of the tree, and its living processes; what cannot be read is `None`.
    fn measure_tree(&mut self, tree: &Tree) -> (Option<Duration>, Option<Vec<Pid>>) {
        // Read before the table: a child whose exit status is taken in between is then missed once, and not counted
        // twice, which could not be corrected later.
        let ended = ended_children_ticks();
        let Ok(table) = Table::read() else { return (None, None) };
        let outside = tree.outside_children(&table);
        if outside.len() <= MOST_PROCESSES {
            self.outside.update(&outside, |process| Some(process.cpu.all()));
        }
        let members = tree.members(&table);
        let pids = members.iter().filter(|one| !one.has_ended()).map(Process::pid).collect();
        let cpu = ended.map(|ended| {
            let not_of_job = tree.ended_before.saturating_add(self.outside.gone().unwrap_or(0));
            let used = members.iter().map(|process| process.cpu.all());
            time(used.fold(ended.saturating_sub(not_of_job), u64::saturating_add))
        });
        (cpu, Some(pids))
    }

    /// What the processes of the job have transferred, up to now if these are they.
    fn measure_storage(&mut self, living: Option<&[Pid]>) -> Option<Transferred> {
        if let Some(pids) = living {
            self.transferred.update(pids, |process| transferred(process.pid()));
        }
        self.transferred.sum()
    }
}

/// The time of a number of clock ticks.
fn time(ticks: u64) -> Duration {
    let per_second = clock_ticks_per_second().max(1);
    let rest = ticks % per_second;
    Duration::from_secs(ticks / per_second)
        + Duration::from_nanos(rest.saturating_mul(1_000_000_000) / per_second)
}

/// What a process has transferred, with its children whose exit status it has taken. `None` if it is gone, if its
/// counters may not be read, or if the kernel has none.
fn transferred(pid: Pid) -> Option<Transferred> {
    let mut text = String::with_capacity(USUAL_IO);
    let file = File::open(format!("/proc/{}/io", pid.as_raw_pid())).ok()?;
    file.take(u64::MAX).read_to_string(&mut text).ok()?;
    parse_io(&text)
}

/// Reads the text of `/proc/PID/io`.
fn parse_io(text: &str) -> Option<Transferred> {
    let number = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        value.trim().parse().ok()
    };
    Some(Transferred { read: number("read_bytes")?, written: number("write_bytes")? })
}
