//! The tree of processes below the supervisor.
//!
//! A process that daemonises itself leaves its parent, its session and its process group, but not the
//! supervisor: as a subreaper it becomes the parent of every descendant whose own parent has ended.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};

use super::cgroup::Cgroup;
use super::end::{self, Members, TreeExit};
use super::procfs::{Identity, Process, Table};
use super::reap::{take_status, was_signalled};
use super::sessions::Sessions;

/// All processes that descend from this one and were started after [`Tree::begin`].
#[derive(Clone, Debug)]
pub struct Tree {
    supervisor: Pid,
    /// The CPU time of children of this process that had ended before, in clock ticks.
    pub(super) ended_before: u64,
    /// The worker; its exit status is taken elsewhere.
    worker: Option<Identity>,
    /// Descendants that were there before: when a shell script ends with `exec`, its background processes
    /// are children of the supervisor, but do not belong to the job.
    before: HashSet<Identity>,
    /// Children of the supervisor that do not belong to the job either; their exit status is taken
    /// elsewhere.
    sessions: Sessions,
}

impl Tree {
    /// Makes this process the parent of all orphans from now on. The caller does this before it starts the
    /// worker.
    ///
    /// A descendant of a session's process is not in the tree for as long as that process lives. A
    /// descendant that outlives it becomes a child of the supervisor like all orphans, is counted among the
    /// processes that the job has left behind, and is ended with them.
    pub fn begin(sessions: Sessions) -> io::Result<Self> {
        let supervisor = getpid();
        set_child_subreaper(Some(supervisor))?;
        let before = if has_no_child() {
            Vec::new()
        } else {
            Table::read()?.descendants(supervisor, &HashSet::new())
        };
        let before = before.into_iter().map(|process| process.identity).collect();
        let ended_before = ended_children_ticks().unwrap_or(0);
        Ok(Self { supervisor, ended_before, worker: None, before, sessions })
    }

    /// Sets which process the worker is. Its exit status is never taken here, and it is not counted among
    /// the processes that the job has left behind.
    pub fn set_worker(&mut self, pid: Pid) -> io::Result<()> {
        self.worker = Process::read(pid)?.map(|process| process.identity);
        Ok(())
    }

    /// The pids of all living processes of the tree, the worker among them.
    pub fn pids(&self) -> io::Result<Vec<Pid>> {
        Ok(self.living(&Table::read()?).iter().map(Process::pid).collect())
    }

    /// All processes of the tree in a table, also those that have ended and whose exit status was not taken.
    pub(super) fn members(&self, table: &Table) -> Vec<Process> {
        table.descendants(self.supervisor, &self.outside_job())
    }

    /// The children of this process in a table that do not belong to the job.
    pub(super) fn outside_children(&self, table: &Table) -> Vec<Pid> {
        let (outside_job, own) = (self.outside_job(), self.supervisor.as_raw_pid());
        let is_outside = |one: &&Process| one.parent == own && outside_job.contains(&one.identity);
        table.all().iter().filter(is_outside).map(Process::pid).collect()
    }

    /// Takes the exit statuses of orphans that have ended, and returns how many. A supervisor calls it
    /// whenever a child has ended (SIGCHLD), because in a long run unreaped orphans would use up all pids.
    pub fn reap_orphans(&self) -> io::Result<usize> {
        let ended = self.ended(&Table::read()?);
        Ok(ended.iter().filter(|process| take_status(process).is_some()).count())
    }

    /// Waits until no process of the tree is left, and returns whether that is so. Child processes of a
    /// worker that has just ended need a moment to notice it, and do not count as left behind.
    pub async fn wait_until_empty(&self, at_most: Duration) -> io::Result<bool> {
        Ok(has_no_child() || end::wait_until_none(self, at_most).await?)
    }

    /// The processes that do not belong to the job. Must be called after the table was read: every process
    /// of a session that is in the table is then included, also one that had only just been started.
    fn outside_job(&self) -> HashSet<Identity> {
        let mut outside_job = self.sessions.identities();
        outside_job.extend(&self.before);
        outside_job
    }

    /// Ends the whole tree, the worker too: sends SIGTERM, and kills the processes that are still there
    /// after `grace`, and all processes in the cgroup. Without grace it kills at once.
    ///
    /// Ended processes other than the worker are reaped; the caller has to wait for the worker.
    pub async fn end(&self, grace: Duration, cgroup: Option<&Cgroup>) -> TreeExit {
        end::end(self, self.worker, grace, cgroup).await
    }
}

impl Members for Tree {
    fn living(&self, table: &Table) -> Vec<Process> {
        let mut living = self.members(table);
        living.retain(|process| !process.has_ended());
        living
    }

    fn ended(&self, table: &Table) -> Vec<Process> {
        let outside_job = self.outside_job();
        let is_orphan = |process: &&Process| {
            process.has_ended()
                && process.parent == self.supervisor.as_raw_pid()
                && Some(process.identity) != self.worker
                && !outside_job.contains(&process.identity)
        };
        table.all().iter().filter(is_orphan).cloned().collect()
    }

    fn reap(&self, ended: &Process) -> bool {
        was_signalled(ended)
    }
}

/// The CPU time of all children of this process whose exit status was taken, in clock ticks.
pub(super) fn ended_children_ticks() -> Option<u64> {
    Process::read(getpid()).ok().flatten().map(|process| process.cpu.children)
}

/// Whether this process has no child, which means for a subreaper that it has no descendants: a process
/// that loses its parent becomes its child in the same instant. The kernel answers atomically, so this is
/// certain, and unlike reading the table it costs the same on a machine with many processes.
fn has_no_child() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}
