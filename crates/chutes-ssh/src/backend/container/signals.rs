//! Signals to processes of one container, and to no other process.
//!
//! The engine reports the pid of a process. By the time of the signal the pid may have been reused, and
//! when the engine runs in a virtual machine it does not exist on this machine. So the process has to be in
//! the PID namespace of the container's first process, and that namespace must not be the own one.

use std::ffi::OsString;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use chutes_process::{Process, pids};

/// The largest number of processes that are read to find those of a session.
const MAX_PROCESSES: usize = 1_000_000;

/// The processes of one container, as seen from this machine.
pub(super) struct Container {
    namespace: OsString,
}

impl Container {
    /// The container whose first process has this pid on this machine. `None` when the process is not
    /// visible, or is not in a container.
    pub(super) fn of(first: i32) -> Option<Self> {
        let namespace = namespace(first)?;
        let ours = std::fs::read_link("/proc/self/ns/pid").ok()?.into_os_string();
        (namespace != ours).then_some(Self { namespace })
    }

    /// Sends a signal to a process, if it is in the container.
    pub(super) fn signal(&self, number: i32, signal: Signal) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let pid = if number > 0 { Pid::from_raw(number) } else { None }.ok_or_else(gone)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
        // The descriptor refers to one process for ever, so one check after opening it is enough.
        if namespace(number).as_ref() != Some(&self.namespace) {
            return Err(gone());
        }
        Ok(pidfd_send_signal(descriptor, signal)?)
    }

    /// Sends a signal to all processes of the session with this leader. Returns how many got it.
    pub(super) fn signal_session(&self, leader: i32, signal: Signal) -> io::Result<usize> {
        let mut count = 0;
        for pid in pids()?.into_iter().take(MAX_PROCESSES) {
            let Ok(Some(process)) = Process::read(pid) else { continue };
            let number = pid.as_raw_pid();
            let belongs = number == leader || process.session == leader;
            count +=
                usize::from(belongs && !process.has_ended() && self.signal(number, signal).is_ok());
        }
        Ok(count)
    }
}

fn namespace(number: i32) -> Option<OsString> {
    std::fs::read_link(format!("/proc/{number}/ns/pid")).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_outside_of_containers_is_never_signalled() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let number = i32::try_from(child.id()).unwrap();
        assert!(Container::of(number).is_none());
        assert!(Container::of(-1).is_none() && Container::of(i32::MAX).is_none());
        let other = Container { namespace: "pid:[1]".into() };
        assert!(other.signal(number, Signal::KILL).is_err());
        assert_eq!(other.signal_session(number, Signal::KILL).unwrap(), 0);
        assert!(other.signal(0, Signal::KILL).is_err() && other.signal(-1, Signal::KILL).is_err());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
