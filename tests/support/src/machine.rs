//! What tests ask of the machine: addresses, processes, namespaces, terminals.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// An address of this machine for this test alone: many tests run jobs that declare the same ports.
pub fn own_address() -> String {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    format!("127.{}.{middle}.{}", high | 64, low.max(1))
}

/// Polls a condition until it is true.
///
/// # Panics
///
/// When that takes longer than 50 seconds.
#[track_caller]
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(50), "never comes true: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The names of the entries of a folder, sorted.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The words before a command that give it capabilities in namespaces of its own, also without root.
pub fn unshare(namespaces: &[&'static str]) -> Vec<&'static str> {
    let user: &[_] =
        if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    let wrapper = [&["unshare"], user, namespaces].concat();
    let probe = Command::new("unshare").args(&wrapper[1..]).arg("true").output();
    let probe = probe.unwrap_or_else(|error| panic!("`unshare` of util-linux is needed: {error}"));
    let why = String::from_utf8_lossy(&probe.stderr);
    assert!(probe.status.success(), "this machine gives no namespaces for `{wrapper:?}`: {why}");
    wrapper
}

/// The words before a command that make one folder empty for it.
pub fn cover(place: &str) -> Vec<String> {
    let script = format!("mount -t tmpfs -o ro none {place} && exec \"$@\"");
    let words = [&unshare(&["--mount"])[..], &["sh", "-c", &script, "sh"]].concat();
    words.into_iter().map(String::from).collect()
}

/// The only child of a process.
pub fn child_of(parent: Pid) -> Pid {
    let parent = format!("PPid:\t{}", parent.as_raw_nonzero());
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut children = ids.filter(|id| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line == parent)
    });
    Pid::from_raw(children.next().unwrap()).unwrap()
}

/// The peak of the resident memory of a process, in kilobytes.
pub fn peak_memory(pid: Pid) -> Option<u64> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A new pseudo-terminal: its controlling side, and the side that a program opens.
pub fn open_terminal() -> (OwnedFd, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let options = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let other_side = rustix::fs::open(path, options, Mode::empty()).unwrap();
    (terminal, other_side.into())
}

/// The command lines of all processes that contain this text, with blanks between their words.
pub fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let command_lines = entries.filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    command_lines.filter(|line| line.contains(text)).collect()
}
