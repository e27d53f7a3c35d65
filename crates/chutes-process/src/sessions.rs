//! The processes that the supervisor has started for SSH sessions.
//!
//! They are children of the supervisor like the worker, but do not belong to the job: [`Tree`](super::Tree)
//! neither counts nor ends them, and leaves their exit status to the component that has started them.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::getpid;

use super::end::{self, Members, TreeExit};
use super::procfs::{Identity, Process, Table, pid};
use super::reap::was_signalled;

/// The processes of all sessions of a run. Clones share one set.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    roots: Arc<Mutex<HashSet<Identity>>>,
}

impl Sessions {
    /// Starts a process by `spawn`, which returns its pid. [`Tree`](super::Tree) never takes its exit
    /// status: its search for orphans waits until the process is recorded here.
    ///
    /// The caller waits for the end of the process, and then calls [`Self::forget`].
    pub fn spawn<T>(&self, spawn: impl FnOnce() -> io::Result<(T, Option<u32>)>) -> io::Result<T> {
        let mut roots = self.lock();
        let (started, number) = spawn()?;
        let pid = number.and_then(|number| pid(i32::try_from(number).ok()?));
        let process = pid.map_or(Ok(None), Process::read)?;
        roots.extend(process.map(|process| process.identity));
        Ok(started)
    }

    /// Removes a process whose exit status was taken.
    pub fn forget(&self, pid: u32) {
        self.lock().retain(|known| known.pid.as_raw_pid().cast_unsigned() != pid);
    }

    /// Ends all processes of sessions and their descendants: sends SIGTERM first, and kills those that are
    /// still there after `grace`.
    ///
    /// A process that had lost its parent before, for instance a daemon that a user has started by SSH, is
    /// no longer recognised as a session's. Its parent is the supervisor by then, and it is ended with the
    /// processes that the job leaves behind.
    pub async fn end_all(&self, grace: Duration) -> TreeExit {
        let members = SessionMembers { sessions: self.clone(), known: Mutex::default() };
        end::end(&members, None, grace, None).await
    }

    /// The processes that were started here, without their descendants.
    pub(super) fn identities(&self) -> HashSet<Identity> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Identity>> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All processes of sessions, from the moment when they are to end.
struct SessionMembers {
    sessions: Sessions,
    /// All processes that were ever seen as a session's. A process whose parent ends first descends from no
    /// session any more.
    known: Mutex<HashSet<Identity>>,
}

impl Members for SessionMembers {
    fn living(&self, table: &Table) -> Vec<Process> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(self.sessions.identities());
        let mut living = Vec::new();
        let mut seen = HashSet::new();
        let no_exclusion = HashSet::new();
        for process in table.all().iter().filter(|process| known.contains(&process.identity)) {
            let below = table.descendants(process.pid(), &no_exclusion);
            let all = std::iter::once(process.clone()).chain(below);
            living.extend(all.filter(|one| !one.has_ended() && seen.insert(one.identity)));
        }
        known.extend(seen);
        living
    }

    /// The processes that became children of this process when their parent ended. The exit status of those
    /// that were started here is taken by their starter.
    fn ended(&self, table: &Table) -> Vec<Process> {
        let (own, roots) = (getpid().as_raw_pid(), self.sessions.identities());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_orphan = |process: &&Process| {
            let identity = process.identity;
            process.has_ended()
                && process.parent == own
                && known.contains(&identity)
                && !roots.contains(&identity)
        };
        table.all().iter().filter(is_orphan).cloned().collect()
    }

    fn reap(&self, ended: &Process) -> bool {
        was_signalled(ended)
    }
}
