//! A tree of processes, controlled from outside: which there are, how they are ended, how much memory
//! they may use, and why the worker's own process ended.
//!
//! This is an internal component of chutes, without a promise of stability. It is not about jobs, runs
//! or statuses, and it does not capture what processes print. A supervisor process owns exactly one run:
//! what descends from it and was not there before belongs to the job.
//!
//! - [`Tree`]: every descendant of the supervisor, however it daemonised itself.
//! - [`Sessions`]: processes that the supervisor has started for SSH sessions, which are not the job's.
//! - [`Cgroup`]: the cgroup of a run, where one can be made.
//! - [`MemoryLimit`]: a limit that is in force, by cgroup or by address space.
//! - [`Death`]: from an exit status and evidence to what happened.
//! - [`kill_leftovers`]: what a supervisor left behind that was itself killed.
//! - [`die_with_supervisor`]: what the worker does to itself, first thing.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use std::process::Command;
//! use std::time::Duration;
//! use chutes_process::{Sessions, Tree};
//!
//! let tree = Tree::begin(Sessions::default())?;
//! // The shell ends at once, and leaves a process behind that belongs to nothing but the tree.
//! Command::new("sh").args(["-c", "sleep 1000 &"]).status()?;
//! assert_eq!(tree.pids()?.len(), 1);
//! let exit = tree.end(Duration::from_secs(1), None).await;
//! assert_eq!((exit.count, exit.problem), (1, None));
//! assert!(tree.pids()?.is_empty());
//! # Ok(()) }
//! ```
//!
//! The tests start and end real processes, and "all descendants of this process" is a property of the
//! whole process. The official runner, `cargo nextest run`, gives each test a process of its own; under
//! `cargo test` the tests of this crate take turns.

mod again;
mod cgroup;
mod death;
mod end;
mod leftovers;
mod memory;
mod procfs;
mod reap;
mod sessions;
mod signal;
mod tree;
mod worker_side;

#[cfg(test)]
mod testing;

pub use self::again::{PRIVATE_VARIABLES, this_program};
pub use self::cgroup::{Cgroup, OomCount};
pub use self::death::{Death, Evidence, system_oom_kills};
pub use self::end::TreeExit;
pub use self::leftovers::{RUN_ID_VARIABLE, kill_leftovers};
pub use self::memory::{MemoryLimit, memory_in_use};
pub use self::procfs::{Process, pids};
pub use self::sessions::Sessions;
pub use self::signal::name as signal_name;
pub use self::tree::Tree;
pub use self::worker_side::die_with_supervisor;
