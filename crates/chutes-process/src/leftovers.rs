//! Ending the processes that a run has left behind because its supervisor was killed.
//!
//! The worker dies with its supervisor, but processes that it has started may live on. They are recognised
//! by the run id in the environment that they were started with, or by the cgroup of the run.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use chutes_core::RunId;
use rustix::process::{Pid, getpid};

use super::cgroup::{self, Cgroup, SupervisorCgroup};
use super::end::{self, Members, TreeExit};
use super::procfs::{Process, Table};

/// The variable with the run id that every process of a run is started with.
pub const RUN_ID_VARIABLE: &str = "CHUTES_RUN_ID";

/// How long leftover processes have to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// Ends all processes of a run whose supervisor is dead, and removes its cgroup and that of the supervisor. The caller has made sure
/// that the supervisor is dead.
///
/// This process, its ancestors and its descendants are never ended, whatever their environment contains.
pub async fn kill_leftovers(run_id: RunId) -> TreeExit {
    let leftovers = Leftovers::of(run_id);
    let cgroup = Cgroup::find_existing(run_id).filter(|cgroup| !leftovers.excludes_any(cgroup));
    let ended = end::end(&leftovers, None, GRACE, cgroup.as_ref()).await;
    if let Some(cgroup) = cgroup {
        // A process that could not be killed is reported in `ended`.
        let _ = cgroup.remove().await;
    }
    SupervisorCgroup::remove_left_behind();
    ended
}

struct Leftovers {
    own: Pid,
    /// `CHUTES_RUN_ID=...`, as it stands in an environment.
    variable: String,
    /// The name of the run's cgroup.
    cgroup: String,
}

impl Leftovers {
    fn of(run_id: RunId) -> Self {
        let variable = format!("{RUN_ID_VARIABLE}={run_id}");
        Self { own: getpid(), variable, cgroup: cgroup::name(run_id) }
    }

    fn matches(&self, pid: Pid) -> bool {
        let read = |file: &str| -> io::Result<Vec<u8>> {
            std::fs::read(format!("/proc/{}/{file}", pid.as_raw_pid()))
        };
        // A process that cannot be read belongs to another user, or is gone.
        read("environ").is_ok_and(|text| has_variable(&text, &self.variable))
            || read("cgroup").is_ok_and(|text| is_in_cgroup(&text, &self.cgroup))
    }

    /// The processes that must not be ended although they may match: this process may itself have been
    /// started by the run.
    fn excluded(&self, table: &Table) -> HashSet<i32> {
        let mut excluded = table.with_ancestors(self.own);
        let started = table.descendants(self.own, &HashSet::new());
        excluded.extend(started.iter().map(|process| process.pid().as_raw_pid()));
        excluded
    }

    fn excludes_any(&self, cgroup: &Cgroup) -> bool {
        match Table::read() {
            Ok(table) => {
                let excluded = self.excluded(&table);
                cgroup.pids().iter().any(|pid| excluded.contains(&pid.as_raw_pid()))
            }
            Err(_) => true,
        }
    }
}

impl Members for Leftovers {
    fn living(&self, table: &Table) -> Vec<Process> {
        let excluded = self.excluded(table);
        let mut found: Vec<Process> = Vec::new();
        let mut seen = HashSet::new();
        let candidates = table.all().iter().filter(|process| !process.has_ended());
        for process in candidates.filter(|process| !excluded.contains(&process.pid().as_raw_pid()))
        {
            if seen.contains(&process.identity) || !self.matches(process.pid()) {
                continue;
            }
            // Its descendants may have cleared their environment.
            let below = table.descendants(process.pid(), &HashSet::new());
            for process in std::iter::once(process.clone()).chain(below) {
                let is_excluded = excluded.contains(&process.pid().as_raw_pid());
                if !is_excluded && !process.has_ended() && seen.insert(process.identity) {
                    found.push(process);
                }
            }
        }
        found
    }

    /// They are not children of this process; their parents take their exit status.
    fn ended(&self, _: &Table) -> Vec<Process> {
        Vec::new()
    }

    fn reap(&self, _: &Process) -> bool {
        false
    }
}

/// Whether the text of `/proc/PID/environ` has exactly this `NAME=value`.
fn has_variable(environment: &[u8], variable: &str) -> bool {
    environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

/// Whether the text of `/proc/PID/cgroup` has a path with this name in it.
fn is_in_cgroup(cgroups: &[u8], name: &str) -> bool {
    cgroups
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.splitn(3, |byte| *byte == b':').nth(2))
        .any(|path| path.split(|byte| *byte == b'/').any(|part| part == name.as_bytes()))
}
