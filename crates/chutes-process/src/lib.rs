//! Control of a tree of processes from outside: lists them, ends them, limits and counts their memory, and
//! finds out why the worker's own process ended.
//!
//! This is an internal component of chutes, without a promise of stability. It does not know jobs or
//! statuses, and it does not capture what processes print. A supervisor process owns exactly one run: every
//! descendant that was not there before belongs to the job.
//!
//! - [`Tree`]: all descendants of the supervisor, also those that have daemonised themselves.
//! - [`Sessions`]: processes that the supervisor has started for SSH sessions, which are not the job's.
//! - [`Cgroup`]: the cgroup of a run, where one can be made.
//! - [`SupervisorCgroup`]: the cgroup of a supervisor that is left alone by the process that has started it.
//! - [`UsageMeter`]: what the processes of a run use: CPU time, memory, storage.
//! - [`MemoryLimit`]: a limit that is in force, by cgroup or by address space.
//! - [`WorkerExit`]: how the worker's process ended, found from its exit status and other evidence.
//! - [`kill_leftovers`]: ends the processes that a killed supervisor has left behind.
//! - [`die_with_supervisor`]: ties a worker to the life of its supervisor.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use std::process::Command;
//! use std::time::Duration;
//! use chutes_process::{Sessions, Tree};
//!
//! let tree = Tree::begin(Sessions::default())?;
//! // The shell ends at once, and leaves a process behind.
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

mod cgroup;
mod descriptors;
mod end;
mod ignored_signals;
mod leftovers;
mod memory;
mod procfs;
mod reap;
mod reexec;
mod sessions;
mod signal;
mod tree;
mod usage;
mod worker_exit;
mod worker_side;

#[cfg(test)]
mod testing;

pub use self::cgroup::{Cgroup, OomCount, SupervisorCgroup};
pub use self::descriptors::keep_descriptors;
pub use self::end::TreeExit;
pub use self::ignored_signals::IgnoredSignals;
pub use self::leftovers::{RUN_ID_VARIABLE, kill_leftovers};
pub use self::memory::MemoryLimit;
pub use self::procfs::{Process, pids};
pub use self::reexec::{PRIVATE_VARIABLES, restart_command, take_program_name, this_program};
pub use self::sessions::Sessions;
pub use self::signal::{
    REAL_TIME as REAL_TIME_SIGNALS, name as signal_name, short_name as short_signal_name,
};
pub use self::tree::Tree;
pub use self::usage::UsageMeter;
pub use self::worker_exit::{Evidence, WorkerExit, signal_kind, system_oom_kills};
pub use self::worker_side::die_with_supervisor;
