//! Ending many processes that may resist: first SIGTERM, then SIGSTOP so that none can escape by forking,
//! then SIGKILL, until none is left.
//!
//! All of it happens on the calling thread. Processes that multiply may have used up the threads of the
//! machine, so ending them must not need a new one. Deadlines are in real time, because processes do not
//! follow a paused test clock.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::cgroup::Cgroup;
use super::procfs::{Identity, Process, Table};
use super::signal::{send, send_to_groups};

/// How long killed processes may take to be gone. A large process takes seconds to give its memory back.
const KILL_TIME: Duration = Duration::from_secs(30);

/// The interval at which the table is read again for new processes while known ones are waited for.
const RESCAN_INTERVAL: Duration = Duration::from_millis(100);

/// The largest number of scans for new processes before the known ones are killed anyway.
const FREEZE_ROUNDS: usize = 200;

/// A short pause in which a signal takes effect.
const SIGNAL_PAUSE: Duration = Duration::from_millis(1);

/// The largest number of processes that are named in a message.
const SHOWN_NAMES: usize = 5;

/// The set of processes to end.
pub(super) trait Members {
    /// The members that are alive.
    fn living(&self, table: &Table) -> Vec<Process>;

    /// The members that have ended and whose exit status this process has to take. A member that ends and
    /// leaves a successor may never be seen alive, but it is seen here.
    fn ended(&self, table: &Table) -> Vec<Process>;

    /// Takes the exit status of a member that has ended. Returns whether a signal has ended it.
    fn reap(&self, ended: &Process) -> bool;
}

/// The members at one moment.
struct Snapshot {
    table: Table,
    living: Vec<Process>,
    ended: Vec<Process>,
}

impl Snapshot {
    fn now(members: &impl Members) -> io::Result<Self> {
        let table = Table::read()?;
        let (living, ended) = (members.living(&table), members.ended(&table));
        Ok(Self { table, living, ended })
    }

    /// Whether no member was seen. The table is not read in one instant, so a member may have been missed.
    /// That there is none is certain after two quiet snapshots in a row: by the second one, a missed member
    /// has either ended, and is among the ended, or is still alive.
    fn is_quiet(&self) -> bool {
        self.living.is_empty() && self.ended.is_empty()
    }

    /// Sends a signal to the process groups of these members and of those that have ended, in which their
    /// successors are.
    fn signal_groups(&self, living: &[Process], signal: Signal) {
        send_to_groups(living.iter().chain(&self.ended), &self.living, &self.table, signal);
    }

    /// Waits until a member may have changed its state, but not much longer than until the deadline.
    async fn wait(&self, deadline: Instant) {
        if let Some(first) = self.living.first() {
            wait_for(first, deadline.min(Instant::now() + RESCAN_INTERVAL)).await;
        }
        if !self.is_quiet() {
            // A process may be listed a little longer than it is alive.
            sleep(SIGNAL_PAUSE).await;
        }
    }
}

/// How a tree of processes was ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeExit {
    /// The number of processes that had to be ended, without the worker.
    pub count: usize,
    /// The names of a few of them, each once.
    pub names: Vec<String>,
    /// Why some may still be there, if they are.
    pub problem: Option<String>,
}

impl TreeExit {
    /// A warning about processes that were there after the worker had ended by itself.
    #[must_use]
    pub fn left_behind(&self) -> Option<String> {
        let what = match self.count {
            0 => return None,
            1 => "a process that had to be ended".to_owned(),
            count => format!("{count} processes that had to be ended"),
        };
        Some(format!("the job left {what}: {}", self.names.join(", ")))
    }
}

/// Ends all members. With a grace they first get SIGTERM; after it, or without one, they are killed, and
/// with them all processes in the cgroup.
pub(super) async fn end(
    members: &impl Members,
    worker: Option<Identity>,
    grace: Duration,
    cgroup: Option<&Cgroup>,
) -> TreeExit {
    let mut end = Termination::new(members);
    let none_left =
        !grace.is_zero() && matches!(end.terminate(Instant::now() + grace).await, Ok(true));
    let problem = if none_left { None } else { end.kill(cgroup).await };
    end.report(worker, problem)
}

/// Waits until there are no members, without signalling them. Returns whether there are none.
pub(super) async fn wait_until_none(members: &impl Members, at_most: Duration) -> io::Result<bool> {
    Termination::new(members).watch(Instant::now() + at_most, |_, _| {}).await
}

struct Termination<'a, M> {
    members: &'a M,
    /// The members that a signal has ended, or that were sent a signal that ends them, with their names.
    signalled: HashMap<Identity, String>,
    /// The members that this process may not signal, for instance because they belong to root.
    refused: HashSet<Identity>,
}

impl<'a, M: Members> Termination<'a, M> {
    fn new(members: &'a M) -> Self {
        Self { members, signalled: HashMap::new(), refused: HashSet::new() }
    }

    fn reap(&mut self, snapshot: &Snapshot) {
        for process in &snapshot.ended {
            if self.members.reap(process) {
                self.signalled.entry(process.identity).or_insert_with(|| process.name.clone());
            }
        }
    }

    fn signal(&mut self, process: &Process, signal: Signal) {
        match send(process, signal) {
            Ok(()) => {
                self.signalled.entry(process.identity).or_insert_with(|| process.name.clone());
            }
            Err(Errno::SRCH) => {}
            Err(_) => {
                self.refused.insert(process.identity);
            }
        }
    }

    /// Takes snapshots until no member is left or the deadline has passed. Returns whether none is left.
    async fn watch(
        &mut self,
        deadline: Instant,
        mut at_each: impl FnMut(&mut Self, &Snapshot),
    ) -> io::Result<bool> {
        let mut quiet = false;
        loop {
            let snapshot = Snapshot::now(self.members)?;
            if snapshot.is_quiet() && quiet {
                return Ok(true);
            }
            quiet = snapshot.is_quiet();
            at_each(self, &snapshot);
            self.reap(&snapshot);
            if Instant::now() >= deadline && !quiet {
                return Ok(false);
            }
            snapshot.wait(deadline).await;
        }
    }

    /// Sends SIGTERM to all members. Returns whether all have ended by the deadline.
    async fn terminate(&mut self, deadline: Instant) -> io::Result<bool> {
        let mut sent_to = HashSet::new();
        self.watch(deadline, |end, snapshot| {
            for process in snapshot.living.iter().filter(|process| sent_to.insert(process.identity))
            {
                end.signal(process, Signal::TERM);
                // A stopped process handles the signal only after it is continued.
                let _ = send(process, Signal::CONT);
            }
        })
        .await
    }

    /// Kills until no member is left. Returns the problem if one is.
    async fn kill(&mut self, cgroup: Option<&Cgroup>) -> Option<String> {
        let deadline = Instant::now() + KILL_TIME;
        let mut killed = HashSet::new();
        let mut quiet = false;
        loop {
            if let Some(cgroup) = cgroup {
                self.kill_cgroup(cgroup);
            }
            let problem = match self.kill_once(&mut killed).await {
                Ok(snapshot) if snapshot.is_quiet() && quiet => return None,
                Ok(snapshot) if self.refuses_all(&snapshot) => {
                    return Some(still_there(&snapshot.living, "not ours to end"));
                }
                Ok(snapshot) => {
                    quiet = snapshot.is_quiet();
                    snapshot.wait(deadline).await;
                    still_there(&snapshot.living, "killed, but not gone")
                }
                Err(error) => {
                    sleep(RESCAN_INTERVAL).await;
                    format!("the processes of the job cannot be listed: {error}")
                }
            };
            if Instant::now() >= deadline && !quiet {
                return Some(problem);
            }
        }
    }

    fn refuses_all(&self, snapshot: &Snapshot) -> bool {
        !snapshot.living.is_empty()
            && snapshot.living.iter().all(|one| self.refused.contains(&one.identity))
    }

    /// The kernel does not report which processes of the cgroup it kills, so the members are recorded
    /// before.
    fn kill_cgroup(&mut self, cgroup: &Cgroup) {
        if let Ok(snapshot) = Snapshot::now(self.members) {
            let named = snapshot.living.into_iter().map(|process| (process.identity, process.name));
            self.signalled.extend(named);
        }
        cgroup.kill_all();
    }

    /// Freezes the members, then kills them. Returns the snapshot from before the kill.
    async fn kill_once(&mut self, killed: &mut HashSet<Identity>) -> io::Result<Snapshot> {
        let snapshot = self.freeze(killed).await?;
        snapshot.signal_groups(&snapshot.living, Signal::KILL);
        for process in &snapshot.living {
            self.signal(process, Signal::KILL);
            killed.insert(process.identity);
        }
        self.reap(&snapshot);
        Ok(snapshot)
    }

    /// Stops all members until none runs and none is new: only a running process can fork.
    async fn freeze(&mut self, killed: &HashSet<Identity>) -> io::Result<Snapshot> {
        let mut stopped = HashSet::new();
        let mut round = 0;
        loop {
            let snapshot = Snapshot::now(self.members)?;
            let running: Vec<_> = snapshot
                .living
                .iter()
                .filter(|one| !one.is_stopped() && !killed.contains(&one.identity))
                .filter(|one| !self.refused.contains(&one.identity))
                .cloned()
                .collect();
            round += 1;
            if (running.is_empty() && snapshot.ended.is_empty()) || round == FREEZE_ROUNDS {
                return Ok(snapshot);
            }
            snapshot.signal_groups(&running, Signal::STOP);
            let mut any_new = !snapshot.ended.is_empty();
            for process in running {
                // In every round: another process may have continued it.
                if send(&process, Signal::STOP).is_err_and(|error| error != Errno::SRCH) {
                    self.refused.insert(process.identity);
                }
                any_new |= stopped.insert(process.identity);
            }
            self.reap(&snapshot);
            if !any_new {
                sleep(SIGNAL_PAUSE).await;
            }
        }
    }

    fn report(self, worker: Option<Identity>, problem: Option<String>) -> TreeExit {
        let mut ended: Vec<_> =
            self.signalled.into_iter().filter(|(identity, _)| Some(*identity) != worker).collect();
        ended.sort_by_key(|(identity, _)| identity.pid.as_raw_pid());
        let count = ended.len();
        TreeExit { count, names: few(ended.into_iter().map(|(_, name)| name)), problem }
    }
}

fn still_there(left: &[Process], why: &str) -> String {
    let names = few(left.iter().map(|process| process.name.clone())).join(", ");
    let what = if left.len() == 1 { "process" } else { "processes" };
    format!("still there after the job: {} {what} ({names}): {why}", left.len())
}

/// A few names, each once.
fn few(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut few: Vec<String> = Vec::new();
    for name in names {
        if !few.contains(&name) {
            few.push(name);
            if few.len() == SHOWN_NAMES {
                break;
            }
        }
    }
    few
}

/// Waits for the end of one process. Any member will do, as all have to end.
async fn wait_for(process: &Process, deadline: Instant) {
    let descriptor = pidfd_open(process.pid(), PidfdFlags::empty()).map_err(io::Error::from);
    match descriptor.and_then(async_pidfd) {
        Ok(descriptor) => {
            // In both cases, an ended process or a timeout, the caller takes a new snapshot.
            let _ = timeout_at(deadline, descriptor.readable()).await;
        }
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
        Err(_) => sleep_until(deadline).await,
    }
}

/// Registers a pidfd, which is readable when its process has ended, with the runtime.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, and it is sound for a descriptor we own"
)]
fn async_pidfd(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
