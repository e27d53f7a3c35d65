//! Which signals this process ignores: every program that it starts would ignore them, too.

use rustix::process::Signal;

/// The signals that a process ignores. Only Linux reports them; elsewhere none is known.
#[derive(Clone, Copy, Debug)]
pub struct IgnoredSignals(u64);

impl IgnoredSignals {
    /// Those of this process now. A handler that is installed later replaces the disposition.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        Self(mask.unwrap_or(0))
    }

    /// Whether this signal is among them.
    #[must_use]
    pub fn contains(self, signal: Signal) -> bool {
        self.0 >> (signal.as_raw() - 1) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals() {
        for (status, signal, expected) in [
            ("SigIgn:\t0000000000000002\n", Signal::INT, true),
            ("SigIgn:\t0000000000000002\n", Signal::HUP, false),
            ("Name:\tx\nSigIgn:\t0000000000080001\nSigCgt:\tff\n", Signal::HUP, true),
            ("Name:\tx\nSigIgn:\t0000000000080001\nSigCgt:\tff\n", Signal::TSTP, true),
            ("SigCgt:\tffffffffffffffff\n", Signal::INT, false),
            ("SigIgn:\tnonsense\n", Signal::INT, false),
            ("", Signal::INT, false),
        ] {
            let ignored = IgnoredSignals::parse(status);
            assert_eq!(ignored.contains(signal), expected, "{signal:?} in {status:?}");
        }
    }
}
