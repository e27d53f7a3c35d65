//! Limits and options that an engine may refuse without failing the run: this machine cannot enforce them.

/// A limit or option of the container that the engine refused and that the run goes on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DroppedLimit {
    /// The limit of processes.
    Processes,
    /// The limit of processors.
    Processors,
    /// The limit of swap space: none beside the memory.
    Swap,
    /// The memory limit.
    Memory,
    /// The limits (`ulimit`) of each process.
    Ulimits,
    /// The engine's own init process.
    Init,
    /// The option that the engine keeps no log.
    NoLog,
}

/// Parts of the error messages of engines, and of the runtimes below them, each with the limit that the message
/// refuses.
const REFUSALS: [(&str, DroppedLimit); 17] = [
    ("pids.max", DroppedLimit::Processes),
    ("pids limit", DroppedLimit::Processes),
    ("controller `pids`", DroppedLimit::Processes),
    ("nanocpus can not be set", DroppedLimit::Processors),
    ("range of cpus is from", DroppedLimit::Processors),
    ("cpu.cfs_", DroppedLimit::Processors),
    ("cpu.max", DroppedLimit::Processors),
    ("controller `cpu`", DroppedLimit::Processors),
    ("memory.memsw", DroppedLimit::Swap),
    ("memory.swap", DroppedLimit::Swap),
    ("memory.max", DroppedLimit::Memory),
    ("memory.limit_in_bytes", DroppedLimit::Memory),
    ("controller `memory`", DroppedLimit::Memory),
    ("rlimit", DroppedLimit::Ulimits),
    ("docker-init", DroppedLimit::Init),
    ("catatonit", DroppedLimit::Init),
    ("log driver", DroppedLimit::NoLog),
];

impl DroppedLimit {
    /// The limit that an error message of an engine refuses, if it is one that a run can do without.
    ///
    /// The message about a command that cannot be run may contain any text, so the caller rules that case out.
    pub(super) fn from_refusal(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        REFUSALS.iter().find(|(refusal, _)| text.contains(refusal)).map(|(_, limit)| *limit)
    }

    /// The name of the limit in warnings.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Processes => "its limit of processes",
            Self::Processors => "its limit of processors",
            Self::Swap => "its limit of swap space",
            Self::Memory => "its memory limit",
            Self::Ulimits => "limits on open files and processes of one user",
            Self::Init => "an init process of its own",
            Self::NoLog => "keeping its output out of the engine's own log",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        let check =
            |text: &str, expected| assert_eq!(DroppedLimit::from_refusal(text), expected, "{text}");
        check(
            "crun: opening file `pids.max` for writing: No such file or directory",
            Some(DroppedLimit::Processes),
        );
        check(
            "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
            Some(DroppedLimit::Processors),
        );
        check("error setting rlimits for ready process: error setting rlimit type 7", {
            Some(DroppedLimit::Ulimits)
        });
        check(
            "crun: the requested cgroup controller `memory` is not available",
            Some(DroppedLimit::Memory),
        );
        check(
            "exec: \"docker-init\": executable file not found in $PATH",
            Some(DroppedLimit::Init),
        );
        check("Minimum memory limit allowed is 6MB", None);
        check("no space left on device", None);
    }
}
