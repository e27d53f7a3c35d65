//! The cgroup of a supervisor that runs without the process that has started it.
//!
//! It stands beside the cgroup of the job, not above it: a cgroup with processes has no controllers for those below it,
//! so that the job would lose its memory limit.

use std::io;
use std::path::{Path, PathBuf};

use chutes_core::RunId;
use rustix::process::getpid;

use super::paths::CgroupPaths;
use super::write;

/// What the names of these cgroups begin with.
const PREFIX: &str = "chutes-supervisor-";

/// How often it is tried to make one and enter it: another supervisor removes empty ones.
const ATTEMPTS: usize = 3;

/// The cgroup of this process, a supervisor: it is counted apart from the process that has started it, and what ends
/// the processes of that one's cgroup does not reach it, unless that is done to all cgroups below as well.
///
/// It is left and removed when it is dropped. Where that is not possible, or when the supervisor is killed, the next one
/// that enters a cgroup removes it, or `recover` does.
#[derive(Debug)]
pub struct SupervisorCgroup {
    /// The parent and the directory of the cgroup, for each hierarchy that it is in.
    directories: Vec<(PathBuf, PathBuf)>,
}

impl SupervisorCgroup {
    /// Makes a cgroup below that of this process and puts this process into it, with all of its threads.
    ///
    /// ```
    /// use chutes_core::RunId;
    /// use chutes_process::SupervisorCgroup;
    ///
    /// // A machine where no cgroup can be made is nothing unusual.
    /// let cgroup = SupervisorCgroup::enter(RunId::from_bytes([7; 16])).ok();
    /// // ... supervise ...
    /// drop(cgroup);
    /// ```
    ///
    /// # Errors
    ///
    /// When none can be made in any hierarchy: this process stays where it is.
    pub fn enter(run_id: RunId) -> io::Result<Self> {
        let mut directories = Vec::new();
        let mut last = io::Error::from(io::ErrorKind::Unsupported);
        for parent in CgroupPaths::of_runs()?.all() {
            remove_empty(&parent);
            let directory = parent.join(format!("{PREFIX}{run_id}"));
            match enter(&directory) {
                Ok(()) => directories.push((parent, directory)),
                Err(error) => last = error,
            }
        }
        if directories.is_empty() { Err(last) } else { Ok(Self { directories }) }
    }

    /// Removes the cgroups that dead supervisors have left behind below the cgroup of this process.
    pub(crate) fn remove_left_behind() {
        let Ok(paths) = CgroupPaths::of_runs() else { return };
        paths.all().for_each(|parent| remove_empty(&parent));
    }
}

impl Drop for SupervisorCgroup {
    fn drop(&mut self) {
        for (parent, directory) in &self.directories {
            let _ = move_to(parent).and_then(|()| std::fs::remove_dir(directory));
        }
    }
}

/// Removes the cgroups of supervisors below this one that have no process. The kernel refuses the others.
fn remove_empty(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if is_supervisors(&entry.path()) {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// Whether a directory is that of the cgroup of a supervisor.
pub(super) fn is_supervisors(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str());
    let run_id = name.and_then(|name| name.strip_prefix(PREFIX));
    run_id.is_some_and(|run_id| run_id.parse::<RunId>().is_ok())
}

fn enter(directory: &Path) -> io::Result<()> {
    let mut entered = Ok(());
    for _ in 0..ATTEMPTS {
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => entered = move_to(directory),
        }
        if !entered.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            break;
        }
    }
    if entered.is_err() {
        let _ = std::fs::remove_dir(directory);
    }
    entered
}

/// Puts this process into a cgroup.
fn move_to(directory: &Path) -> io::Result<()> {
    write(&directory.join("cgroup.procs"), &getpid().as_raw_pid().to_string())
}
