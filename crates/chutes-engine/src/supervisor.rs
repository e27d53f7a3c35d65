//! The supervisor of a container, as a label identifies it: one process for ever, although its pid may be
//! reused.

use std::fmt;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

/// One process of one boot of one machine, as seen from one PID namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Supervisor {
    boot: String,
    namespace: String,
    pid: i32,
    /// When it was started, in clock ticks since boot.
    started: u64,
}

impl Supervisor {
    /// This process.
    pub(super) fn this() -> io::Result<Self> {
        let pid = getpid().as_raw_pid();
        let started = started(pid)?.ok_or(io::ErrorKind::NotFound)?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let namespace = std::fs::read_link("/proc/self/ns/pid")?.to_string_lossy().into_owned();
        let namespace = namespace.chars().filter(char::is_ascii_digit).collect();
        Ok(Self { boot, namespace, pid, started })
    }

    /// Reads a label. `None` for any text that is not exactly one.
    pub(super) fn parse(label: &str) -> Option<Self> {
        let mut parts = label.split('/');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (boot, namespace) = (next()?.to_owned(), next()?.to_owned());
        let (pid, started) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let is_complete = parts.next().is_none() && pid > 0;
        is_complete.then_some(Self { boot, namespace, pid, started })
    }

    /// Whether the supervisor is known to be dead. This is never known of a process on another machine, of
    /// another boot, or in another PID namespace.
    pub(super) fn is_dead(&self, here: &Self) -> bool {
        if self.boot != here.boot || self.namespace != here.namespace {
            return false;
        }
        match started(self.pid) {
            Ok(Some(started)) => started != self.started,
            // The process may be hidden because it belongs to another user.
            Ok(None) => Pid::from_raw(self.pid)
                .is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)),
            Err(_) => false,
        }
    }
}

impl fmt::Display for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.boot, self.namespace, self.pid, self.started)
    }
}

/// The start time of a process; `None` if there is no such process.
fn started(pid: i32) -> io::Result<Option<u64>> {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => start_time(&stat).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the text of `/proc/PID/stat`: `pid (name) state ...`. The name may contain any bytes.
fn start_time(stat: &[u8]) -> Option<u64> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_back() {
        let this = Supervisor::this().unwrap();
        assert_eq!(Supervisor::parse(&this.to_string()), Some(this));
        for label in
            ["", "a", "b/1/2", "b/1/2/3/4", "b/1/x/3", "b/1/2/x", "/1/2/3", "b//2/3", "b/1/-2/3"]
        {
            assert_eq!(Supervisor::parse(label), None, "{label:?}");
        }
    }

    #[test]
    fn only_a_supervisor_known_to_be_dead_is_dead() {
        let this = Supervisor::this().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        let other = |text: &str| text.to_owned();
        for (supervisor, expected) in [
            (this.clone(), false),
            (Supervisor { pid: gone, ..this.clone() }, true),
            (Supervisor { started: this.started - 1, ..this.clone() }, true),
            (Supervisor { pid: gone, boot: other("x"), ..this.clone() }, false),
            (Supervisor { pid: gone, namespace: other("7"), ..this.clone() }, false),
        ] {
            assert_eq!(supervisor.is_dead(&this), expected, "{supervisor}");
        }
    }

    #[test]
    fn process_names_with_parentheses() {
        let stat = b"7 (a) b) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1234 20";
        assert_eq!(start_time(stat), Some(1234));
        assert_eq!(start_time(b"7 (a"), None);
    }
}
