//! Sending a signal to exactly one process or its group, and the names of signals.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::RangeInclusive;

use rustix::io::Errno;
use rustix::process::{
    PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};

use super::procfs::{Process, Table, pid};

/// The real-time signals that programs may use; the C library keeps those below for itself.
pub const REAL_TIME: RangeInclusive<i32> = 34..=64;

/// Sends a signal to this process, never to a later one that has the same pid.
///
/// # Errors
///
/// [`Errno::SRCH`] when the process is gone.
pub(super) fn send(process: &Process, signal: Signal) -> Result<(), Errno> {
    match pidfd_open(process.pid(), PidfdFlags::empty()) {
        // The descriptor refers to one process for ever, so one check after opening it is enough.
        Ok(descriptor) if is_still(process) => pidfd_send_signal(descriptor, signal),
        Ok(_) | Err(Errno::SRCH) => Err(Errno::SRCH),
        // No descriptor is available: an old kernel, a filter of system calls, or too many open files.
        Err(_) if is_still(process) => kill_process(process.pid(), signal),
        Err(_) => Err(Errno::SRCH),
    }
}

fn is_still(process: &Process) -> bool {
    match Process::read(process.pid()) {
        Ok(now) => now.is_some_and(|now| now.identity == process.identity),
        Err(_) => false,
    }
}

/// Sends a signal to the process groups of some members. Unlike with [`send`], a process cannot escape by
/// forking meanwhile: the kernel signals a group as a whole. A group that has a living process which is no
/// member gets no signal.
pub(super) fn send_to_groups<'a>(
    some: impl Iterator<Item = &'a Process>,
    members: &[Process],
    table: &Table,
    signal: Signal,
) {
    let members: HashSet<_> = members.iter().map(|process| process.identity).collect();
    let mut groups: HashSet<i32> = some.map(|process| process.group).collect();
    let others = table.all().iter().filter(|process| !process.has_ended());
    for process in others.filter(|process| !members.contains(&process.identity)) {
        groups.remove(&process.group);
    }
    for group in groups.into_iter().filter(|group| *group > 1) {
        if let Some(group) = pid(group) {
            // The result is not needed: each process is also signalled by itself, and that reports an
            // error.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// The name of a signal, for instance `SIGSEGV` or `SIGRTMIN+2`.
#[must_use]
pub fn name(number: i32) -> Cow<'static, str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    match number {
        number if REAL_TIME.contains(&number) => match number - REAL_TIME.start() {
            0 => "SIGRTMIN".into(),
            above => format!("SIGRTMIN+{above}").into(),
        },
        number => usize::try_from(number)
            .ok()
            .and_then(|number| NAMES.get(number.checked_sub(1)?))
            .map_or_else(|| format!("signal {number}").into(), |name| Cow::Borrowed(*name)),
    }
}

/// The name of a signal without `SIG`, as in RFC 4254, section 6.10: for instance `SEGV`.
#[must_use]
pub fn short_name(number: i32) -> String {
    let name = name(number);
    name.strip_prefix("SIG").unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_prefix() {
        for (number, expected) in
            [(1, "HUP"), (12, "USR2"), (31, "SYS"), (36, "RTMIN+2"), (32, "signal 32")]
        {
            assert_eq!(short_name(number), expected);
        }
    }

    #[test]
    fn names() {
        for (number, expected) in [
            (Signal::HUP.as_raw(), "SIGHUP"),
            (Signal::ABORT.as_raw(), "SIGABRT"),
            (Signal::BUS.as_raw(), "SIGBUS"),
            (Signal::KILL.as_raw(), "SIGKILL"),
            (Signal::SEGV.as_raw(), "SIGSEGV"),
            (Signal::TERM.as_raw(), "SIGTERM"),
            (Signal::CHILD.as_raw(), "SIGCHLD"),
            (Signal::XFSZ.as_raw(), "SIGXFSZ"),
            (Signal::SYS.as_raw(), "SIGSYS"),
            (34, "SIGRTMIN"),
            (36, "SIGRTMIN+2"),
            (64, "SIGRTMIN+30"),
            (0, "signal 0"),
            (-3, "signal -3"),
            (32, "signal 32"),
            (65, "signal 65"),
            (i32::MIN, "signal -2147483648"),
        ] {
            assert_eq!(name(number), expected);
        }
    }
}
