//! Why the worker's process ended without having reported how the job ended: a failure kind and a message,
//! found from its exit status and from other evidence.

mod panic;
#[cfg(test)]
mod tests;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use chutes_core::{FailureKind, HumanSize, user_text};
use rustix::process::Signal;

use self::panic::PrintedPanic;
use super::cgroup::OomCount;
use super::memory::MemoryLimit;
use super::signal;

/// What Rust prints before it aborts a process that has used up its stack.
const STACK_OVERFLOW: &str = "has overflowed its stack";

/// What Rust and C++ print before they abort a process that cannot allocate memory, as two parts of one
/// line.
const NO_MEMORY: [(&str, &str); 2] =
    [("memory allocation of ", " bytes failed"), ("std::bad_alloc", "")];

/// How many bytes of the end of standard error are searched for these words.
const LAST_WORDS: usize = 8 * 1024;

/// What is known besides the exit status. Each field may be missing.
#[derive(Clone, Debug, Default)]
pub struct Evidence<'a> {
    /// The last signal that the run itself has sent to end the worker.
    pub sent: Option<Signal>,
    /// What the kernel counted for the cgroup while the worker ran; `None` if the kernel does not count.
    pub cgroup: Option<OomCount>,
    /// How many processes of the machine the kernel has killed because memory ran out, shortly before
    /// the worker ended; see [`system_oom_kills`].
    pub system_oom_kills: u64,
    /// The memory limit in force.
    pub limit: Option<&'a MemoryLimit>,
    /// The end of what the worker printed to its standard error.
    pub stderr_tail: &'a str,
}

/// How the worker's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerExit {
    /// The kind of failure.
    pub kind: FailureKind,
    /// What happened, for users: a lowercase fragment.
    pub message: String,
    /// The exit code, if the process exited by itself.
    pub exit_code: Option<i32>,
    /// The name of the signal, if one ended the process.
    pub signal: Option<String>,
    /// Where user code panicked, as `file:line:column`, if a panic ended the process.
    pub location: Option<String>,
}

impl Evidence<'_> {
    /// Whether the run itself has sent this signal last.
    fn has_sent(&self, number: i32) -> bool {
        self.sent.is_some_and(|sent| sent.as_raw() == number)
    }
}

impl WorkerExit {
    /// An end of which nothing is known but its kind and these words.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), exit_code: None, signal: None, location: None }
    }

    /// Finds out how the process ended.
    #[must_use]
    pub fn of(status: ExitStatus, evidence: &Evidence<'_>) -> Self {
        let Some(number) = status.signal() else {
            let message = match status.code() {
                Some(code) => format!("the job ended its process with exit code {code}"),
                None => format!("the job's process ended in an unknown way: {status}"),
            };
            let (kind, exit_code) = (FailureKind::Exited, status.code());
            return Self { kind, message, exit_code, signal: None, location: None };
        };
        let signal = Some(signal::name(number).into_owned());
        if number == Signal::ABORT.as_raw()
            && !evidence.has_sent(number)
            && let Some(panic) = PrintedPanic::at_the_end_of(evidence.stderr_tail)
        {
            let PrintedPanic { location, message } = panic;
            let message = format!("the job panicked at {location}: {message}");
            let location = Some(location.to_owned());
            return Self { kind: FailureKind::Panic, message, exit_code: None, signal, location };
        }
        let (kind, message) = by_signal(number, evidence);
        Self { kind, message, exit_code: None, signal, location: None }
    }
}

fn by_signal(number: i32, evidence: &Evidence<'_>) -> (FailureKind, String) {
    let name = signal::name(number);
    if evidence.has_sent(number) {
        return (FailureKind::Killed, format!("the job's process was ended by the run ({name})"));
    }
    if number == Signal::KILL.as_raw()
        && let Some(found) = out_of_memory(evidence)
    {
        return found;
    }
    if number == Signal::ABORT.as_raw() {
        return aborted(evidence);
    }
    let reason = crash_reason(number).unwrap_or_else(|| sender(number));
    (signal_kind(number), format!("the job's process was killed by {name} ({reason})"))
}

/// Whether the kernel killed the process because memory ran out. The kernel uses an ordinary SIGKILL, so
/// only its counters distinguish this from other kills.
fn out_of_memory(evidence: &Evidence<'_>) -> Option<(FailureKind, String)> {
    match (evidence.cgroup, evidence.limit) {
        (Some(count), Some(limit @ MemoryLimit::Cgroup { .. }))
            if count.kills > 0 && count.at_limit > 0 =>
        {
            Some(limit_exceeded(limit))
        }
        (Some(count), _) if count.kills > 0 => {
            let message = "the kernel killed the job's process because there was no memory left";
            Some((FailureKind::OutOfMemory, message.to_owned()))
        }
        (None, _) if evidence.system_oom_kills > 0 => {
            let message = "the job's process was killed by SIGKILL while the kernel killed processes \
                           because the machine had no memory left";
            Some((FailureKind::OutOfMemory, message.to_owned()))
        }
        // Where the kernel counts for the cgroup, kills elsewhere on the machine are not evidence.
        _ => None,
    }
}

fn limit_exceeded(limit: &MemoryLimit) -> (FailureKind, String) {
    let bytes = HumanSize(limit.bytes());
    (FailureKind::MemoryLimit, format!("the job needed more memory than its limit of {bytes}"))
}

/// Classifies an abort by what was printed before it.
fn aborted(evidence: &Evidence<'_>) -> (FailureKind, String) {
    // What was printed long before may come from another fault, which the process has survived.
    let printed = user_text::end(evidence.stderr_tail, LAST_WORDS);
    if printed.contains(STACK_OVERFLOW) {
        let message = "the job used up its stack: a function calls itself without end, or a thread needs \
                       a larger stack";
        return (FailureKind::StackOverflow, message.to_owned());
    }
    let no_memory = has_no_memory(printed);
    match evidence.limit {
        Some(limit @ MemoryLimit::AddressSpace { .. }) if no_memory => limit_exceeded(limit),
        _ if no_memory => {
            let message =
                "the job's process aborted because it could not allocate memory (SIGABRT)";
            (FailureKind::Aborted, message.to_owned())
        }
        _ => (FailureKind::Aborted, "the job's process aborted itself (SIGABRT)".to_owned()),
    }
}

fn has_no_memory(text: &str) -> bool {
    text.lines().any(|line| {
        NO_MEMORY.iter().any(|(begin, end)| {
            line.split_once(begin).is_some_and(|(_, behind)| behind.contains(end))
        })
    })
}

/// The kind of failure of a process that a signal has ended, if nothing but the signal is known.
#[must_use]
pub fn signal_kind(number: i32) -> FailureKind {
    if number == Signal::ABORT.as_raw() {
        FailureKind::Aborted
    } else if crash_reason(number).is_some() {
        FailureKind::Crashed
    } else {
        FailureKind::Killed
    }
}

/// Why the process crashed, for a signal that the processor or the kernel raises because of the code that
/// runs.
fn crash_reason(number: i32) -> Option<&'static str> {
    Some(match Signal::from_named_raw(number)? {
        Signal::SEGV => "invalid memory reference",
        Signal::BUS => "memory that is not there, for instance behind the end of a mapped file",
        Signal::ILL => "illegal instruction",
        Signal::FPE => "invalid arithmetic, for instance a division by zero",
        Signal::SYS => "forbidden or unknown system call",
        Signal::TRAP => "breakpoint without debugger",
        _ => return None,
    })
}

/// Where a signal comes from that does not mean a crash, as far as its number says.
fn sender(number: i32) -> &'static str {
    match Signal::from_named_raw(number) {
        Some(Signal::XFSZ) => "a file became larger than `ulimit -f` allows",
        Some(Signal::XCPU) => "the processor time of `ulimit -t` was used up",
        Some(Signal::ALARM | Signal::VTALARM | Signal::PROF) => {
            "a timer that the process has set, or another process"
        }
        Some(Signal::PIPE) => "it wrote to a pipe that has no reader",
        Some(Signal::KILL) => {
            "another process, or the system at a hard limit such as that of `ulimit -t`"
        }
        _ => "the process itself, or another one",
    }
}

/// How many processes the kernel has killed because memory ran out, on the whole machine since it was
/// started; `None` where the kernel does not report it. The caller reads it now and then while the worker
/// runs: the shorter the time between two reads, the less likely a change comes from other processes.
#[must_use]
pub fn system_oom_kills() -> Option<u64> {
    oom_kills(&std::fs::read_to_string("/proc/vmstat").ok()?)
}

fn oom_kills(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
