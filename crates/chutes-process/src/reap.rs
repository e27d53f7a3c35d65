//! Taking the exit status of processes that have ended.

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::procfs::Process;

/// Takes the exit status of a child that has ended. Until then its pid cannot be reused: only its parent,
/// this process, can release it.
pub(crate) fn take_status(ended: &Process) -> Option<WaitIdStatus> {
    waitid(WaitId::Pid(ended.pid()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok().flatten()
}

/// Takes the exit status of a child that has ended. Returns whether a signal has ended it.
pub(crate) fn was_signalled(ended: &Process) -> bool {
    take_status(ended).is_some_and(|status| status.killed() || status.dumped())
}
