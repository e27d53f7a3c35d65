//! What an engine may refuse without keeping a run from starting: limits that this machine cannot enforce.

/// Something that was asked for and that the run goes on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concession {
    /// How many processes there may be.
    Processes,
    /// How many processors it may use.
    Processors,
    /// That there is no swap beside the memory.
    Swap,
    /// How much memory it may use.
    Memory,
    /// Limits of each process.
    Ulimits,
    /// The engine's own first process.
    Init,
    /// That the engine keeps no log.
    NoLog,
}

/// What an engine, or the runtime below it, says when it cannot do something. All that is there must be
/// in the text.
const REFUSALS: [(&str, Concession); 17] = [
    ("pids.max", Concession::Processes),
    ("pids limit", Concession::Processes),
    ("controller `pids`", Concession::Processes),
    ("nanocpus can not be set", Concession::Processors),
    ("range of cpus is from", Concession::Processors),
    ("cpu.cfs_", Concession::Processors),
    ("cpu.max", Concession::Processors),
    ("controller `cpu`", Concession::Processors),
    ("memory.memsw", Concession::Swap),
    ("memory.swap", Concession::Swap),
    ("memory.max", Concession::Memory),
    ("memory.limit_in_bytes", Concession::Memory),
    ("controller `memory`", Concession::Memory),
    ("rlimit", Concession::Ulimits),
    ("docker-init", Concession::Init),
    ("catatonit", Concession::Init),
    ("log driver", Concession::NoLog),
];

impl Concession {
    /// What an engine has refused that can be done without. The text of a command that cannot be run may
    /// hold anything, so the caller has made sure that it is none.
    pub(super) fn wanted_by(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        REFUSALS.iter().find(|(refusal, _)| text.contains(refusal)).map(|(_, wanted)| *wanted)
    }

    /// What the run goes on without, for a warning.
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
            |text: &str, expected| assert_eq!(Concession::wanted_by(text), expected, "{text}");
        check(
            "crun: opening file `pids.max` for writing: No such file or directory",
            Some(Concession::Processes),
        );
        check(
            "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
            Some(Concession::Processors),
        );
        check("error setting rlimits for ready process: error setting rlimit type 7", {
            Some(Concession::Ulimits)
        });
        check(
            "crun: the requested cgroup controller `memory` is not available",
            Some(Concession::Memory),
        );
        check("exec: \"docker-init\": executable file not found in $PATH", Some(Concession::Init));
        check("Minimum memory limit allowed is 6MB", None);
        check("no space left on device", None);
    }
}
