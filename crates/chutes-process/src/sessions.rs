//! The processes that the supervisor has started for SSH sessions.
//!
//! They are children of the supervisor like the worker, but none of the job's: [`Tree`](super::Tree) neither
//! counts nor ends them, and leaves their exit status to whoever has started them.

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

/// The processes of all sessions of a run. Clones know of the same.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    first: Arc<Mutex<HashSet<Identity>>>,
}

impl Sessions {
    /// Starts a process by `spawn`, which tells its pid. Nobody else takes its exit status: who looks for
    /// orphans has to wait until it is known here.
    ///
    /// Whoever has started it waits for its end, and then says so by [`Self::forget`].
    pub fn spawn<T>(&self, spawn: impl FnOnce() -> io::Result<(T, Option<u32>)>) -> io::Result<T> {
        let mut first = self.lock();
        let (started, number) = spawn()?;
        let pid = number.and_then(|number| pid(i32::try_from(number).ok()?));
        let process = pid.map_or(Ok(None), Process::read)?;
        first.extend(process.map(|process| process.identity));
        Ok(started)
    }

    /// Says that the exit status of a process was taken.
    pub fn forget(&self, pid: u32) {
        self.lock().retain(|known| known.pid.as_raw_pid().cast_unsigned() != pid);
    }

    /// Ends all processes of sessions and what they have started: asks them first (SIGTERM), and kills after
    /// `grace` who is still there.
    ///
    /// What had lost its parent before, for instance a daemon that somebody has started by SSH, is not known
    /// as a session's any more. It belongs to the supervisor by then, and is ended with what the job leaves
    /// behind.
    pub async fn end_all(&self, grace: Duration) -> TreeExit {
        let members = SessionMembers { sessions: self.clone(), known: Mutex::default() };
        end::end(&members, None, grace, None).await
    }

    /// Those that were started, without what they have started themselves.
    pub(super) fn identities(&self) -> HashSet<Identity> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Identity>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All processes of sessions, from the moment when they are to end.
struct SessionMembers {
    sessions: Sessions,
    /// Whoever was seen as a session's. One whose parent ends first descends from no session any more.
    known: Mutex<HashSet<Identity>>,
}

impl Members for SessionMembers {
    fn living(&self, table: &Table) -> Vec<Process> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(self.sessions.identities());
        let mut living = Vec::new();
        let mut seen = HashSet::new();
        let nobody = HashSet::new();
        for process in table.all().iter().filter(|process| known.contains(&process.identity)) {
            let below = table.descendants(process.pid(), &nobody);
            let all = std::iter::once(process.clone()).chain(below);
            living.extend(all.filter(|one| !one.has_ended() && seen.insert(one.identity)));
        }
        known.extend(seen);
        living
    }

    /// Those that have come to us by the end of their parent. Of those that were started here, somebody else
    /// takes the exit status.
    fn ended(&self, table: &Table) -> Vec<Process> {
        let (own, first) = (getpid().as_raw_pid(), self.sessions.identities());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_orphan = |process: &&Process| {
            let identity = process.identity;
            process.has_ended()
                && process.parent == own
                && known.contains(&identity)
                && !first.contains(&identity)
        };
        table.all().iter().filter(is_orphan).cloned().collect()
    }

    fn reap(&self, ended: &Process) -> bool {
        was_signalled(ended)
    }
}
