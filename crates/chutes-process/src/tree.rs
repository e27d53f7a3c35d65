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
    /// The worker, for whose end somebody else waits.
    worker: Option<Identity>,
    /// Descendants from before: when a shell script ends with `exec`, what it has started in the
    /// background are children of the supervisor, but none of the job's.
    before: HashSet<Identity>,
    /// Children of the supervisor that are none of the job's either, and for whose end somebody else waits.
    sessions: Sessions,
}

impl Tree {
    /// Takes in all orphans from now on. To be called before the worker is started.
    ///
    /// What descends from a process of a session is not of the tree for as long as that process lives. What
    /// it leaves behind comes to the supervisor like all orphans, and is taken for something that the job has
    /// left: it is ended with it.
    pub fn begin(sessions: Sessions) -> io::Result<Self> {
        let supervisor = getpid();
        set_child_subreaper(Some(supervisor))?;
        let before = if has_no_child() {
            Vec::new()
        } else {
            Table::read()?.descendants(supervisor, &HashSet::new())
        };
        let before = before.into_iter().map(|process| process.identity).collect();
        Ok(Self { supervisor, worker: None, before, sessions })
    }

    /// Says which process the worker is. Its exit status is never taken here, and it is not counted
    /// among those that the job left behind.
    pub fn set_worker(&mut self, pid: Pid) -> io::Result<()> {
        self.worker = Process::read(pid)?.map(|process| process.identity);
        Ok(())
    }

    /// The pids of all processes of the tree that live, the worker among them.
    pub fn pids(&self) -> io::Result<Vec<Pid>> {
        Ok(self.living(&Table::read()?).iter().map(Process::pid).collect())
    }

    /// Takes the exit statuses of orphans that have ended, which nobody else does. A supervisor calls it
    /// whenever a child has ended (SIGCHLD): in a long run they would use up all pids.
    pub fn reap_orphans(&self) -> io::Result<usize> {
        let ended = self.ended(&Table::read()?);
        Ok(ended.iter().filter(|process| take_status(process).is_some()).count())
    }

    /// Waits until nobody of the tree is left. Tells whether that is so. Helpers of a worker that has just
    /// ended need a moment to notice, and are not left behind.
    pub async fn wait_until_empty(&self, at_most: Duration) -> io::Result<bool> {
        Ok(has_no_child() || end::wait_until_none(self, at_most).await?)
    }

    /// Who is none of the job's. To be asked after the table was read: a process of a session that is in the
    /// table is then known here, also one that had only just been started.
    fn spared(&self) -> HashSet<Identity> {
        let mut spared = self.sessions.identities();
        spared.extend(&self.before);
        spared
    }

    /// Ends the whole tree, the worker too: asks everybody to end (SIGTERM), and kills, after `grace`,
    /// who is still there, and everybody in the cgroup. Without grace it kills at once.
    ///
    /// Ended processes other than the worker are reaped; somebody has to wait for the worker.
    pub async fn end(&self, grace: Duration, cgroup: Option<&Cgroup>) -> TreeExit {
        end::end(self, self.worker, grace, cgroup).await
    }
}

impl Members for Tree {
    fn living(&self, table: &Table) -> Vec<Process> {
        let mut living = table.descendants(self.supervisor, &self.spared());
        living.retain(|process| !process.has_ended());
        living
    }

    fn ended(&self, table: &Table) -> Vec<Process> {
        let spared = self.spared();
        let is_orphan = |process: &&Process| {
            process.has_ended()
                && process.parent == self.supervisor.as_raw_pid()
                && Some(process.identity) != self.worker
                && !spared.contains(&process.identity)
        };
        table.all().iter().filter(is_orphan).cloned().collect()
    }

    fn reap(&self, ended: &Process) -> bool {
        was_signalled(ended)
    }
}

/// Whether this process has no child, which means for a subreaper that nothing descends from it: who
/// loses its parent becomes its child in the same instant. The kernel answers for one instant, so this
/// is certain, and unlike a look at the table it costs the same on a machine with many processes.
fn has_no_child() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}
