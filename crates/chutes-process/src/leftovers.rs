//! What a run left behind whose supervisor was itself killed.
//!
//! The worker dies with its supervisor, but what it has started may live on. It is known by the run id in
//! the environment that it was started with, or by the cgroup of the run.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use chutes_core::RunId;
use rustix::process::{Pid, getpid};

use super::cgroup::{self, Cgroup};
use super::end::{self, Members, TreeExit};
use super::procfs::{Process, Table};

/// The variable with the run id that every process of a run is started with.
pub const RUN_ID_VARIABLE: &str = "CHUTES_RUN_ID";

/// How long leftovers have to end after they were asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Ends all processes of a run whose supervisor is dead, and removes its cgroup. The caller has made sure
/// that it is dead.
///
/// This process, its ancestors, and what it has started itself are spared, whatever their environment
/// says.
pub async fn kill_leftovers(run_id: RunId) -> TreeExit {
    let leftovers = Leftovers::of(run_id);
    let cgroup = Cgroup::of_dead_run(run_id).filter(|cgroup| !leftovers.spares_any(cgroup));
    let ended = end::end(&leftovers, None, GRACE, cgroup.as_ref()).await;
    if let Some(cgroup) = cgroup {
        // Somebody who could not be killed is told of in `ended`.
        let _ = cgroup.remove().await;
    }
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
        // What cannot be read belongs to somebody else, or is gone.
        read("environ").is_ok_and(|text| has_variable(&text, &self.variable))
            || read("cgroup").is_ok_and(|text| is_in_cgroup(&text, &self.cgroup))
    }

    /// Whoever would be killed although it must not be: this process itself was started by the run.
    fn spared(&self, table: &Table) -> HashSet<i32> {
        let mut spared = table.with_ancestors(self.own);
        let started = table.descendants(self.own, &HashSet::new());
        spared.extend(started.iter().map(|process| process.pid().as_raw_pid()));
        spared
    }

    fn spares_any(&self, cgroup: &Cgroup) -> bool {
        match Table::read() {
            Ok(table) => {
                let spared = self.spared(&table);
                cgroup.pids().iter().any(|pid| spared.contains(&pid.as_raw_pid()))
            }
            Err(_) => true,
        }
    }
}

impl Members for Leftovers {
    fn living(&self, table: &Table) -> Vec<Process> {
        let spared = self.spared(table);
        let mut found: Vec<Process> = Vec::new();
        let mut seen = HashSet::new();
        let candidates = table.all().iter().filter(|process| !process.has_ended());
        for process in candidates.filter(|process| !spared.contains(&process.pid().as_raw_pid())) {
            if seen.contains(&process.identity) || !self.matches(process.pid()) {
                continue;
            }
            // What it has started may have cleared its environment.
            let below = table.descendants(process.pid(), &HashSet::new());
            for process in std::iter::once(process.clone()).chain(below) {
                let is_spared = spared.contains(&process.pid().as_raw_pid());
                if !is_spared && !process.has_ended() && seen.insert(process.identity) {
                    found.push(process);
                }
            }
        }
        found
    }

    /// They are not our children; others take their exit status.
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
