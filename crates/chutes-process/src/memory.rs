//! The memory of a run: its limit, and how much is in use.

#[cfg(test)]
mod tests;

use std::io;

use chutes_core::HumanSize;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::cgroup::Cgroup;

/// A memory limit that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// For all processes of the run together, counted by the kernel, which kills a process when the limit
    /// is exceeded.
    Cgroup {
        /// The limit.
        bytes: u64,
    },
    /// For the address space of each process by itself, which is usually larger than the memory it uses. An
    /// allocation beyond it fails, and most programs then abort.
    AddressSpace {
        /// The limit.
        bytes: u64,
        /// Why there is nothing better: a fragment for a warning.
        because: String,
    },
}

/// A memory limit that could not be set in any way.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot limit the memory of the job, neither by a cgroup ({because}) nor by its address space: {source}"
)]
pub struct MemoryLimitError {
    because: String,
    source: io::Error,
}

impl MemoryLimit {
    /// Limits the memory of a worker that has not run any user code yet. The worker has to be in the cgroup
    /// already. When there is no cgroup, the given reason is kept in the returned limit.
    pub fn set(
        worker: Pid,
        bytes: u64,
        cgroup: Result<&Cgroup, &str>,
    ) -> Result<Self, MemoryLimitError> {
        let limited = cgroup.map_err(str::to_owned).and_then(|cgroup| cgroup.limit_memory(bytes));
        let Err(because) = limited else { return Ok(Self::Cgroup { bytes }) };
        // The worker has inherited the limit of this process, and may not have a higher one.
        let bytes = getrlimit(Resource::As).maximum.map_or(bytes, |most| most.min(bytes));
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        match prlimit(Some(worker), Resource::As, limit) {
            Ok(_) => Ok(Self::AddressSpace { bytes, because }),
            Err(error) => Err(MemoryLimitError { because, source: error.into() }),
        }
    }

    /// The limit.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Cgroup { bytes } | Self::AddressSpace { bytes, .. } => *bytes,
        }
    }

    /// A warning for the user when the limit in force is not quite the one that was asked for.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Cgroup { .. } => None,
            Self::AddressSpace { bytes, because } => Some(format!(
                "the memory limit of {} holds for the address space of each process of the job, not for \
                 all of them together: {because}",
                HumanSize(*bytes)
            )),
        }
    }
}

/// The memory of one process that is not swapped out; `None` if it is gone.
pub(super) fn resident_bytes(pid: Pid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_pid())).ok()?;
    resident_pages(&text)?.checked_mul(rustix::param::page_size() as u64)
}

/// Reads the text of `/proc/PID/statm`: numbers of pages, the second is what is resident.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}
