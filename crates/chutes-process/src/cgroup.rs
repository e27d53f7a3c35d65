//! The cgroup of a run, where one can be made: it ends processes that multiply, and it limits and counts
//! the memory of all of them together.
//!
//! Version 2 does both. Where the controllers are still those of version 1, version 2 ends processes and
//! version 1 limits memory. A machine without a writable cgroup is nothing unusual, so a missing cgroup
//! never fails a run: the reason is returned, for a warning to the user that set a limit.

mod counted;
mod memory;
mod paths;
mod supervisor;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chutes_core::RunId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::procfs::pid;

pub(super) use self::counted::{Counted, Transferred};
use self::memory::MemoryController;
pub use self::memory::OomCount;
use self::paths::CgroupPaths;
pub use self::supervisor::SupervisorCgroup;

/// The number of attempts to remove a cgroup whose last process has only just ended.
const REMOVE_ATTEMPTS: usize = 40;

const REMOVE_PAUSE: Duration = Duration::from_millis(25);

/// The number of rounds in which processes are killed one by one, where the kernel cannot kill a whole
/// cgroup.
const KILL_ROUNDS: usize = 100;

/// Jobs may make cgroups of their own; more than this many levels of them are left where they are.
const MAX_DEPTH: usize = 16;

/// The cgroup of one run. It is removed when it is dropped, if no process is left in it.
#[derive(Debug)]
pub struct Cgroup {
    /// The directories of the cgroup, one for each hierarchy that it is in.
    directories: Vec<PathBuf>,
    /// The one of version 2 among them.
    unified: Option<PathBuf>,
    memory: Option<MemoryController>,
    /// What was counted when it was made. A dead run with the same id may have left it behind.
    before: Counted,
}

impl Cgroup {
    /// Makes the cgroup of a run below that of this process, or beside it if this process is a supervisor in a
    /// [cgroup of its own](SupervisorCgroup).
    ///
    /// # Errors
    ///
    /// Why there is none: a fragment for a warning.
    pub fn create(run_id: RunId) -> Result<Self, String> {
        let paths = CgroupPaths::of_runs().map_err(|error| error.to_string())?;
        let mut reasons = Vec::new();
        let mut make = |parent: Option<&Path>| {
            let directory = parent?.join(name(run_id));
            match std::fs::create_dir(&directory) {
                Ok(()) => Some(directory),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Some(directory),
                Err(error) => {
                    reasons
                        .push(format!("cannot create the cgroup {}: {error}", directory.display()));
                    None
                }
            }
        };
        paths.share_controllers();
        let unified = make(paths.unified.as_deref());
        let version_1 = make(paths.memory.as_deref());
        if let Some(cgroup) = Self::of(unified, version_1) {
            return Ok(cgroup);
        }
        if reasons.is_empty() {
            reasons.push("no cgroup file system is mounted for this process".to_owned());
        }
        Err(reasons.join("; "))
    }

    /// The cgroup that a dead run left behind, if there is one below the cgroup of this process.
    pub(super) fn find_existing(run_id: RunId) -> Option<Self> {
        let paths = CgroupPaths::of_runs().ok()?;
        let existing = |parent: Option<&Path>| {
            parent.map(|parent| parent.join(name(run_id))).filter(|directory| directory.is_dir())
        };
        let unified = existing(paths.unified.as_deref());
        let version_1 = existing(paths.memory.as_deref());
        Self::of(unified, version_1)
    }

    /// The cgroup with these directories, if there is at least one.
    fn of(unified: Option<PathBuf>, version_1: Option<PathBuf>) -> Option<Self> {
        let memory = MemoryController::find(unified.as_deref(), version_1.as_deref());
        let directories: Vec<_> = unified.iter().cloned().chain(version_1).collect();
        let before = Counted::default();
        let mut cgroup = Self { directories, unified, memory, before };
        cgroup.before = cgroup.counted();
        (!cgroup.directories.is_empty()).then_some(cgroup)
    }

    /// Puts a process, with all of its threads, into the cgroup. Processes that it starts later are in it,
    /// too.
    ///
    /// When this returns an error, the process may be in some of the hierarchies only, and the cgroup is of
    /// no use.
    pub fn add(&self, pid: Pid) -> io::Result<()> {
        let text = pid.as_raw_pid().to_string();
        self.directories.iter().try_for_each(|one| write(&one.join("cgroup.procs"), &text))
    }

    /// Limits the memory, swap included, of all processes together.
    ///
    /// # Errors
    ///
    /// Why there is no limit: a fragment for a warning.
    pub fn limit_memory(&self, bytes: u64) -> Result<(), String> {
        let Some(memory) = &self.memory else {
            return Err("the cgroup has no memory controller".to_owned());
        };
        memory.limit(bytes).map_err(|error| format!("the cgroup takes no memory limit: {error}"))
    }

    /// The memory in use without droppable file caches, in bytes, if the kernel counts it.
    #[must_use]
    pub fn memory_in_use(&self) -> Option<u64> {
        self.memory.as_ref()?.in_use()
    }

    /// What the kernel has done so far because memory ran out, if the kernel counts it.
    #[must_use]
    pub fn oom_count(&self) -> Option<OomCount> {
        self.memory.as_ref()?.oom_count()
    }

    /// Kills all processes in it. A killed process may take a while to be gone.
    pub fn kill_all(&self) {
        let at_once = self
            .directories
            .iter()
            .any(|directory| write(&directory.join("cgroup.kill"), "1").is_ok());
        if !at_once {
            self.kill_one_by_one();
        }
    }

    /// For kernels before 5.14, which cannot kill a cgroup. A frozen process cannot escape by forking.
    fn kill_one_by_one(&self) {
        self.freeze(true);
        let mut killed = HashSet::new();
        for _ in 0..KILL_ROUNDS {
            let mut any_new = false;
            for pid in self.pids() {
                let _ = kill_process(pid, Signal::KILL);
                any_new |= killed.insert(pid);
            }
            if !any_new {
                break;
            }
        }
        self.freeze(false);
    }

    fn freeze(&self, frozen: bool) {
        let text = if frozen { "1" } else { "0" };
        for directory in &self.directories {
            // Only version 2 has this file. Without it, processes that fork fast enough may escape.
            let _ = write(&directory.join("cgroup.freeze"), text);
        }
    }

    /// The processes in it, and in the cgroups that the job has made in it.
    pub(super) fn pids(&self) -> Vec<Pid> {
        let mut pids = HashSet::new();
        for directory in &self.directories {
            for below in with_subdirectories(directory) {
                let text = std::fs::read_to_string(below.join("cgroup.procs")).unwrap_or_default();
                pids.extend(text.lines().filter_map(|line| pid(line.parse().ok()?)));
            }
        }
        // Zero stands for a process outside of this PID namespace.
        pids.into_iter().filter(|pid| pid.as_raw_pid() > 1).collect()
    }

    /// Removes the cgroup. It must be empty, but its last process may have ended just now.
    pub async fn remove(self) -> io::Result<()> {
        for _ in 1..REMOVE_ATTEMPTS {
            if self.try_remove().is_ok() {
                return Ok(());
            }
            sleep(REMOVE_PAUSE).await;
        }
        self.try_remove()
    }

    fn try_remove(&self) -> io::Result<()> {
        let mut last = Ok(());
        for directory in &self.directories {
            for below in with_subdirectories(directory).iter().rev() {
                match std::fs::remove_dir(below) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => last = Err(error),
                    _ => {}
                }
            }
        }
        last
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Recovery removes what is left.
        let _ = self.try_remove();
    }
}

/// The name of the cgroup of a run, in all hierarchies.
pub(super) fn name(run_id: RunId) -> String {
    format!("chutes-{run_id}")
}

/// The directory of a cgroup and those of all cgroups below it, each before its own subdirectories.
fn with_subdirectories(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![(directory.to_owned(), 0)];
    let mut next = 0;
    while let Some((directory, depth)) = found.get(next).cloned() {
        next += 1;
        if depth == MAX_DEPTH {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()));
        found.extend(folders.map(|entry| (entry.path(), depth + 1)));
    }
    found.into_iter().map(|(directory, _)| directory).collect()
}

/// Writes a file of a cgroup; such files exist or not, but are never created.
fn write(file: &Path, text: &str) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}
