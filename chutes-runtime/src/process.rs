//! Control of the job's processes from outside: which there are, how they are ended, how much memory
//! they may use, and why the worker's own process ended.
//!
//! Nothing here knows jobs, runs or statuses. A supervisor process owns exactly one run: what descends
//! from it and was not there before belongs to the job.
//!
//! - [`Tree`]: every descendant of the supervisor, however it daemonised itself.
//! - [`Sessions`]: processes that the supervisor has started for SSH sessions, which are not the job's.
//! - [`Cgroup`]: the cgroup of a run, where one can be made.
//! - [`MemoryLimit`]: a limit that is in force, by cgroup or by address space.
//! - [`Death`]: from an exit status and evidence to what happened.
//! - [`kill_leftovers`]: what a supervisor left behind that was itself killed.
//! - [`die_with_supervisor`]: what the worker does to itself, first thing.
//!
//! The tests start and end real processes, and "all descendants of this process" is a property of the
//! whole process. The official runner, `cargo nextest run`, gives each test a process of its own; under
//! `cargo test` the tests of this module take turns, but tests elsewhere that start processes might
//! lose them.

mod again;
mod cgroup;
mod death;
mod end;
mod leftovers;
mod memory;
mod procfs;
mod sessions;
mod signal;
mod tree;
mod worker_side;

#[cfg(test)]
pub(crate) mod testing;

pub(crate) use self::again::{PRIVATE_VARIABLES, this_program};
pub(crate) use self::cgroup::{Cgroup, OomCount};
pub(crate) use self::death::{Death, Evidence, system_oom_kills};
pub(crate) use self::end::Ended;
pub(crate) use self::leftovers::{RUN_ID_VARIABLE, kill_leftovers};
pub(crate) use self::memory::{MemoryLimit, memory_in_use};
pub(crate) use self::procfs::{Process, pids};
pub(crate) use self::sessions::Sessions;
#[cfg(feature = "ssh")]
pub(crate) use self::signal::name as signal_name;
pub(crate) use self::tree::Tree;
pub(crate) use self::worker_side::die_with_supervisor;
