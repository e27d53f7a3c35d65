//! Ending many processes that do not want to end: asked, then frozen so that none can fork away, then
//! killed, until none is left.
//!
//! All of it happens on the thread that asks. Processes that multiply may have used up what the machine
//! has of threads, so ending them must not need one. The time is real time, as processes know no other.

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

/// How long killed processes may take to be gone. A large one takes seconds to give its memory back.
const KILL_TIME: Duration = Duration::from_secs(30);

/// How often it is looked for new processes while known ones are waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How often at most it is looked for new processes before those that are known are killed anyway.
const FREEZE_ROUNDS: usize = 200;

/// How long it may take until a process has done what it was told.
const SHORT: Duration = Duration::from_millis(1);

/// How many processes are named in a message.
const SHOWN_NAMES: usize = 5;

/// Which of all processes are meant.
pub(super) trait Members {
    /// Those that live.
    fn living(&self, table: &Table) -> Vec<Process>;

    /// Those that have ended and wait for us to take their exit status. One that ends and leaves a
    /// successor may never be seen alive, but it is seen here.
    fn ended(&self, table: &Table) -> Vec<Process>;

    /// Takes the exit status of one that has ended. Tells whether a signal has ended it.
    fn reap(&self, ended: &Process) -> bool;
}

/// One look at the members.
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

    /// Whether nothing was seen. The table is not read in one instant, so somebody may have been missed;
    /// that there is nobody is certain when it is quiet twice in a row. For who was missed has either
    /// ended by then, and is among the ended, or is still alive.
    fn is_quiet(&self) -> bool {
        self.living.is_empty() && self.ended.is_empty()
    }

    /// Sends a signal to the groups of these, and of those that have ended: their successors are in them.
    fn signal_groups(&self, living: &[Process], signal: Signal) {
        send_to_groups(living.iter().chain(&self.ended), &self.living, &self.table, signal);
    }

    /// Waits until something may have changed, but not much longer than until the deadline.
    async fn wait(&self, deadline: Instant) {
        if let Some(first) = self.living.first() {
            wait_for(first, deadline.min(Instant::now() + LOOK_AGAIN)).await;
        }
        if !self.is_quiet() {
            // Somebody may be listed a little longer than alive.
            sleep(SHORT).await;
        }
    }
}

/// What became of the processes that were to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeExit {
    /// How many had to be ended, besides the worker.
    pub count: usize,
    /// The names of a few of them, without repetitions.
    pub names: Vec<String>,
    /// Why some may still be there, if that is so.
    pub problem: Option<String>,
}

impl TreeExit {
    /// What to tell people about processes that were there after the worker had ended by itself.
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

/// Ends all members. With a grace they are asked first (SIGTERM); after it, or without one, they are
/// killed, and with them everybody in the cgroup.
pub(super) async fn end(
    members: &impl Members,
    worker: Option<Identity>,
    grace: Duration,
    cgroup: Option<&Cgroup>,
) -> TreeExit {
    let mut end = Termination::new(members);
    let none_left = !grace.is_zero() && matches!(end.ask(Instant::now() + grace).await, Ok(true));
    let problem = if none_left { None } else { end.kill(cgroup).await };
    end.report(worker, problem)
}

/// Waits until there are no members, without doing anything about it. Tells whether there are none.
pub(super) async fn wait_until_none(members: &impl Members, at_most: Duration) -> io::Result<bool> {
    Termination::new(members).watch(Instant::now() + at_most, |_, _| {}).await
}

struct Termination<'a, M> {
    members: &'a M,
    /// Those that were ended by a signal, or were sent one that ends them, with their names.
    reached: HashMap<Identity, String>,
    /// Those that do not let themselves be signalled, for instance because they belong to root.
    refused: HashSet<Identity>,
}

impl<'a, M: Members> Termination<'a, M> {
    fn new(members: &'a M) -> Self {
        Self { members, reached: HashMap::new(), refused: HashSet::new() }
    }

    fn reap(&mut self, snapshot: &Snapshot) {
        for process in &snapshot.ended {
            if self.members.reap(process) {
                self.reached.entry(process.identity).or_insert_with(|| process.name.clone());
            }
        }
    }

    fn signal(&mut self, process: &Process, signal: Signal) {
        match send(process, signal) {
            Ok(()) => {
                self.reached.entry(process.identity).or_insert_with(|| process.name.clone());
            }
            Err(Errno::SRCH) => {}
            Err(_) => {
                self.refused.insert(process.identity);
            }
        }
    }

    /// Looks again and again, and tells whether nobody is left by the deadline.
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

    /// Asks everybody to end, and tells whether all have by the deadline.
    async fn ask(&mut self, deadline: Instant) -> io::Result<bool> {
        let mut asked = HashSet::new();
        self.watch(deadline, |end, snapshot| {
            for process in snapshot.living.iter().filter(|process| asked.insert(process.identity)) {
                end.signal(process, Signal::TERM);
                // One that is stopped hears of it only when it goes on.
                let _ = send(process, Signal::CONT);
            }
        })
        .await
    }

    /// Kills until nobody is left. Tells what is wrong if somebody is.
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
                    sleep(LOOK_AGAIN).await;
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

    /// The cgroup does not tell whom it kills, so those who are there are noted before.
    fn kill_cgroup(&mut self, cgroup: &Cgroup) {
        if let Ok(snapshot) = Snapshot::now(self.members) {
            let named = snapshot.living.into_iter().map(|process| (process.identity, process.name));
            self.reached.extend(named);
        }
        cgroup.kill_all();
    }

    /// Freezes, then kills. Returns what was seen before the kill.
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

    /// Stops everybody, until nobody runs and nobody is new: only who runs can fork.
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
                // Anew each time: somebody may have continued it.
                if send(&process, Signal::STOP).is_err_and(|error| error != Errno::SRCH) {
                    self.refused.insert(process.identity);
                }
                any_new |= stopped.insert(process.identity);
            }
            self.reap(&snapshot);
            if !any_new {
                sleep(SHORT).await;
            }
        }
    }

    fn report(self, worker: Option<Identity>, problem: Option<String>) -> TreeExit {
        let mut ended: Vec<_> =
            self.reached.into_iter().filter(|(identity, _)| Some(*identity) != worker).collect();
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

/// Waits for the end of one process. It does not matter for which: all have to end.
async fn wait_for(process: &Process, deadline: Instant) {
    let descriptor = pidfd_open(process.pid(), PidfdFlags::empty()).map_err(io::Error::from);
    match descriptor.and_then(watched) {
        Ok(descriptor) => {
            // Whether it has ended or the time is over, the caller looks again.
            let _ = timeout_at(deadline, descriptor.readable()).await;
        }
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
        Err(_) => sleep_until(deadline).await,
    }
}

/// A descriptor of a process is readable when the process has ended.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, and it is sound for a descriptor we own"
)]
fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
