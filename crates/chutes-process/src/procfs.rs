//! Reading processes from `/proc`. A process may vanish at any moment, and it chooses its own name.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};

use rustix::process::Pid;

/// How often processes are read again whose parent has ended while the table was read. Without this they
/// would not be recognised as descendants.
const REREAD_ROUNDS: usize = 4;

/// More bytes than there are in `/proc/PID/stat`: about 350, and the name, which the kernel writes with up
/// to four for each of its 15 or, for its own threads, 63.
const USUAL_STAT: usize = 1024;

/// A pid from a number, if it is one. (`Pid::from_raw` must not be called with a negative number.)
pub(super) fn pid(number: i32) -> Option<Pid> {
    if number > 0 { Pid::from_raw(number) } else { None }
}

/// Identifies one process for ever: a pid is reused, but not with the same start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) pid: Pid,
    /// In clock ticks since boot.
    started: u64,
}

#[cfg(test)]
impl Identity {
    /// Another process with the same pid.
    pub(super) fn started_earlier(self) -> Self {
        Self { started: self.started - 1, ..self }
    }

    /// Another process that was started at the same time.
    pub(super) fn with_pid(self, pid: Pid) -> Self {
        Self { pid, ..self }
    }
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It runs or waits.
    Alive,
    /// It was stopped, or is being traced, and does nothing until it is continued.
    Stopped,
    /// It has ended; only its exit status is left.
    Ended,
}

/// The CPU time of a process, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuTicks {
    /// Of its own threads.
    pub(super) own: u64,
    /// Of the children whose exit status it has taken, and of theirs.
    pub(super) children: u64,
}

impl CpuTicks {
    pub(super) fn all(self) -> u64 {
        self.own.saturating_add(self.children)
    }
}

/// One line of the table of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub(super) identity: Identity,
    /// Zero for a process whose parent is outside of this PID namespace.
    pub(super) parent: i32,
    /// Zero for a process whose group is outside of this PID namespace.
    pub(super) group: i32,
    /// Zero for a process whose session is outside of this PID namespace.
    pub session: i32,
    pub(super) activity: Activity,
    pub(super) cpu: CpuTicks,
    /// The name that the process has given itself, with control characters escaped.
    pub name: String,
}

impl Process {
    /// Reads the text of `/proc/PID/stat`: `pid (name) state parent group session ...`. The name may
    /// hold anything, also parentheses and line breaks; nothing behind it does.
    pub(super) fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let name = stat.get(open + 1..close)?;
        let pid = pid(str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?)?;
        let rest = str::from_utf8(stat.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let threads: i64 = fields.get(17)?.parse().ok()?;
        let ticks = |field: usize| -> u64 {
            fields.get(field).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
        };
        let activity = match *fields.first()? {
            // The first thread has ended, but others go on: the process is alive.
            "Z" if threads > 1 => Activity::Alive,
            "Z" | "X" | "x" => Activity::Ended,
            "T" | "t" => Activity::Stopped,
            _ => Activity::Alive,
        };
        Some(Self {
            identity: Identity { pid, started: fields.get(19)?.parse().ok()? },
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            activity,
            cpu: CpuTicks {
                own: ticks(11).saturating_add(ticks(12)),
                children: ticks(13).saturating_add(ticks(14)),
            },
            name: String::from_utf8_lossy(name).escape_debug().to_string(),
        })
    }

    /// Reads one process; `None` if it is gone.
    pub fn read(pid: Pid) -> io::Result<Option<Self>> {
        match read_stat(pid) {
            Ok(stat) => Ok(Self::parse(&stat)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.identity.pid
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.activity == Activity::Stopped
    }

    /// Whether it has ended, so that only its exit status is left.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.activity == Activity::Ended
    }
}

/// Reads `/proc/PID/stat` with as few system calls as possible. The kernel reports a size of zero for such
/// a file, so the standard library would begin with a small buffer and read many times.
fn read_stat(pid: Pid) -> io::Result<Vec<u8>> {
    let mut stat = Vec::with_capacity(USUAL_STAT);
    let file = File::open(format!("/proc/{}/stat", pid.as_raw_pid()))?;
    // With a limit the standard library does not query the size of the file.
    file.take(u64::MAX).read_to_end(&mut stat)?;
    Ok(stat)
}

/// Whether a file of `/proc/PID` could not be read because the process has ended. A process of another user
/// counts as gone: it can neither be read nor signalled.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let no_such_process = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    no_such_process
        || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// The pids of all processes that are visible in `/proc`.
pub fn pids() -> io::Result<Vec<Pid>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| pid(name.parse().ok()?)));
    }
    Ok(pids)
}

/// All processes that are visible in `/proc`.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    processes: Vec<Process>,
}

impl Table {
    /// Reads the table. An error is never reported as an empty table: the caller must not take a process
    /// for ended that was not read.
    pub(super) fn read() -> io::Result<Self> {
        // The directory is listed completely first: if processes that start meanwhile were added, processes
        // that multiply could keep the list from ever being complete.
        let pids = pids()?;
        let mut processes = Vec::with_capacity(pids.len());
        for pid in pids {
            processes.extend(Process::read(pid)?);
        }
        let mut table = Self { processes };
        for _ in 0..REREAD_ROUNDS {
            let pids = table.without_parent();
            if pids.is_empty() {
                break;
            }
            table.processes.retain(|process| !pids.contains(&process.pid()));
            for pid in pids {
                table.processes.extend(Process::read(pid)?);
            }
        }
        Ok(table)
    }

    /// The processes whose parent is not in the table.
    fn without_parent(&self) -> HashSet<Pid> {
        let pids: HashSet<i32> = self.processes.iter().map(|p| p.pid().as_raw_pid()).collect();
        let orphaned = self.processes.iter().filter(|p| p.parent != 0 && !pids.contains(&p.parent));
        orphaned.map(Process::pid).collect()
    }

    pub(super) fn all(&self) -> &[Process] {
        &self.processes
    }

    /// All descendants of `root`, without `root` itself, and without the excluded processes and their
    /// descendants. Processes that have ended are included.
    pub(super) fn descendants(&self, root: Pid, excluded: &HashSet<Identity>) -> Vec<Process> {
        let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
        for process in &self.processes {
            children.entry(process.parent).or_default().push(process);
        }
        // Children are removed from the map when they are visited, so that the loop also ends for an
        // inconsistent table in which processes descend from each other.
        let mut pending = children.remove(&root.as_raw_pid()).unwrap_or_default();
        let mut found = Vec::new();
        while let Some(process) = pending.pop() {
            if process.pid() != root && !excluded.contains(&process.identity) {
                pending.extend(children.remove(&process.pid().as_raw_pid()).unwrap_or_default());
                found.push(process.clone());
            }
        }
        found.sort_by_key(|process| process.pid().as_raw_pid());
        found
    }

    /// The process and its parent, the parent's parent, and so on.
    pub(super) fn with_ancestors(&self, pid: Pid) -> HashSet<i32> {
        let parents: HashMap<i32, i32> =
            self.processes.iter().map(|p| (p.pid().as_raw_pid(), p.parent)).collect();
        let mut ancestors = HashSet::new();
        let mut next = Some(pid.as_raw_pid());
        while let Some(pid) = next.filter(|pid| ancestors.insert(*pid)) {
            next = parents.get(&pid).copied();
        }
        ancestors
    }
}
