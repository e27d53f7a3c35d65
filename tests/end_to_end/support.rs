//! Runs the job binary in a folder of its own, without the environment of whoever runs the tests.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

/// The binary with the jobs of `tests/jobs`.
pub(crate) const JOBS: &str = env!("CARGO_BIN_EXE_test-jobs");

/// The binary with two jobs of one name.
pub(crate) const DUPLICATE_JOBS: &str = env!("CARGO_BIN_EXE_duplicate-jobs");

/// Whatever takes longer hangs.
const DEADLINE: Duration = Duration::from_mins(1);

/// An address of this machine for this test alone: many tests run jobs that declare the same ports.
pub(crate) fn own_address() -> String {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    format!("127.{}.{middle}.{}", high | 64, low.max(1))
}

/// Looks again and again, as nobody tells when it comes true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(50), "it never comes true: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The working directory of one test, and a home without startup files. Both are removed at the end.
pub(crate) struct Sandbox {
    folder: TempDir,
    home: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The job binary with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.wrapped(&[], arguments)
    }

    /// The job binary, started by another program, for instance `nohup`.
    pub(crate) fn wrapped(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        self.program(&[wrapper, &[JOBS], arguments].concat())
    }

    /// The home of everything that is started here.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Any program, with nothing of whoever runs the tests in its environment but the search path. Shells of
    /// sessions would otherwise read that user's startup files, which may do anything.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home()).env("CHUTES_HOST", own_address());
        command
    }

    /// Runs the job binary to its end. Arguments are separated by blanks.
    pub(crate) fn run(&self, arguments: &str) -> Finished {
        self.start(arguments).finish()
    }

    /// Starts the job binary. Arguments are separated by blanks.
    pub(crate) fn start(&self, arguments: &str) -> Running {
        start(self.command(&arguments.split_whitespace().collect::<Vec<_>>()))
    }

    /// What is in the working directory.
    pub(crate) fn entries(&self) -> Vec<String> {
        names_in(self.folder.path())
    }
}

/// The names of the entries of a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Starts a command whose output is read.
pub(crate) fn start(mut command: Command) -> Running {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, output) = mpsc::channel();
    forward(child.stdout.take().unwrap(), sender.clone(), Chunk::Stdout);
    forward(child.stderr.take().unwrap(), sender, Chunk::Stderr);
    Running { child, output, stdout: Vec::new(), stderr: Vec::new() }
}

/// Runs a command to its end.
pub(crate) fn finish(command: Command) -> Finished {
    start(command).finish()
}

enum Chunk {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

fn forward(
    mut from: impl Read + Send + 'static,
    to: mpsc::Sender<Chunk>,
    chunk: impl Fn(Vec<u8>) -> Chunk + Send + 'static,
) {
    thread::spawn(move || {
        let mut buffer = [0; 8 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.send(chunk(buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// A process that is killed when the test ends before it.
pub(crate) struct Running {
    child: Child,
    output: Receiver<Chunk>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until this text has been printed, to either stream.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text);
        while !printed(&self.stdout) && !printed(&self.stderr) {
            match self.output.recv_timeout(DEADLINE) {
                Ok(chunk) => self.keep(chunk),
                Err(error) => panic!("`{text}` was not printed: {error}\n{}", self.printed()),
            }
        }
    }

    fn keep(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::Stdout(bytes) => self.stdout.extend(bytes),
            Chunk::Stderr(bytes) => self.stderr.extend(bytes),
        }
    }

    fn printed(&mut self) -> String {
        while let Ok(chunk) = self.output.try_recv() {
            self.keep(chunk);
        }
        let [out, err] = [&self.stdout, &self.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        format!("--- stdout\n{out}\n--- stderr\n{err}")
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        self.finish_watched(DEADLINE, |_| ())
    }

    /// The same, and calls `watch` with the id of the process again and again.
    #[track_caller]
    pub(crate) fn finish_watched(
        mut self,
        interval: Duration,
        mut watch: impl FnMut(Pid),
    ) -> Finished {
        let status = self.wait(interval, &mut watch);
        loop {
            match self.output.recv_timeout(DEADLINE) {
                Ok(chunk) => self.keep(chunk),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("the output has no end: {error}\n{}", self.printed()),
            }
        }
        let [stdout, stderr] = [&mut self.stdout, &mut self.stderr].map(std::mem::take);
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Finished { code: status.code(), stdout: lossy(stdout), stderr: lossy(stderr) }
    }

    /// Waits until somebody has killed the process.
    #[track_caller]
    pub(crate) fn finish_killed(mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{}", self.printed());
    }

    #[track_caller]
    fn wait(&mut self, interval: Duration, watch: &mut dyn FnMut(Pid)) -> ExitStatus {
        let pidfd = rustix::process::pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let started = std::time::Instant::now();
        let interval = Timespec::try_from(interval).unwrap();
        loop {
            let mut events = [PollFd::new(&pidfd, PollFlags::IN)];
            if rustix::event::poll(&mut events, Some(&interval)).unwrap() > 0 {
                let status = self.child.wait().unwrap();
                assert_eq!(status.signal(), None, "killed by a signal\n{}", self.printed());
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "it does not end\n{}", self.printed());
            watch(self.pid());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing when the process has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that has ended by itself, and what it printed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The lines on standard error that are a problem, with their causes.
    pub(crate) fn errors(&self) -> Vec<&str> {
        let is_error = |line: &&str| line.starts_with("error:") || line.starts_with("  caused by:");
        self.stderr.lines().filter(is_error).collect()
    }

    /// The lines on standard error that are warnings.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("warning:")).collect()
    }
}

/// Starts a program with capabilities in namespaces of its own: as root, and as anybody.
pub(crate) fn unshare(namespaces: &[&'static str]) -> Vec<&'static str> {
    let user: &[_] =
        if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    let wrapper = [&["unshare"], user, namespaces].concat();
    let probe = Command::new("unshare").args(&wrapper[1..]).arg("true").output();
    let probe = probe.unwrap_or_else(|error| panic!("`unshare` of util-linux is needed: {error}"));
    let why = String::from_utf8_lossy(&probe.stderr);
    assert!(probe.status.success(), "this machine gives no namespaces for `{wrapper:?}`: {why}");
    wrapper
}

/// Starts a program with nothing to be found at a place of the file system.
pub(crate) fn cover(place: &str) -> Vec<String> {
    let script = format!("mount -t tmpfs -o ro none {place} && exec \"$@\"");
    let words = [&unshare(&["--mount"])[..], &["sh", "-c", &script, "sh"]].concat();
    words.into_iter().map(String::from).collect()
}

/// The only child of a process.
pub(crate) fn child_of(parent: Pid) -> Pid {
    let parent = format!("PPid:\t{}", parent.as_raw_nonzero());
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut children = ids.filter(|id| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line == parent)
    });
    Pid::from_raw(children.next().unwrap()).unwrap()
}

/// The most memory that a process has had, in kilobytes.
pub(crate) fn peak_memory(pid: Pid) -> Option<u64> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A new terminal: the side of the person, and that of the program.
pub(crate) fn open_terminal() -> (OwnedFd, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let options = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let other_side = rustix::fs::open(path, options, Mode::empty()).unwrap();
    (terminal, other_side.into())
}
