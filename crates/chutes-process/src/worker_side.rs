//! Ties the worker to its supervisor; a worker does this before anything else.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Why a worker cannot be tied to its supervisor.
#[derive(Debug, thiserror::Error)]
pub enum OrphanedWorker {
    /// The supervisor has already ended, or this is not its child.
    #[error("the supervisor of this worker (process {expected}) is gone: start runs, not workers")]
    SupervisorGone {
        /// The pid that was expected.
        expected: i32,
    },
    /// The kernel refused.
    #[error("cannot tie this worker to its supervisor: {0}")]
    Refused(#[from] rustix::io::Errno),
}

/// Has the kernel kill this process when its supervisor ends for whatever reason.
///
/// To the kernel, the parent is the *thread* that started the worker. So a supervisor has to start its
/// worker from a thread that lives as long as itself, such as its main thread.
pub fn die_with_supervisor(supervisor: Pid) -> Result<(), OrphanedWorker> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The supervisor may have ended before the call above.
    if getppid() == Some(supervisor) {
        Ok(())
    } else {
        Err(OrphanedWorker::SupervisorGone { expected: supervisor.as_raw_pid() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parent_is_accepted() {
        let parent = getppid().unwrap();
        die_with_supervisor(parent).unwrap();
        assert_eq!(rustix::process::parent_process_death_signal().unwrap(), Some(Signal::KILL));
        let own = rustix::process::getpid();
        let error = die_with_supervisor(own).unwrap_err();
        let expected = format!(
            "the supervisor of this worker (process {}) is gone: start runs, not workers",
            own.as_raw_pid()
        );
        assert_eq!(error.to_string(), expected);
        set_parent_process_death_signal(None).unwrap();
    }
}
