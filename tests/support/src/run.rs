//! Processes that a test starts, and what they print.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

/// Signals to a supervisor that come within this time of another are the same request.
const SAME_REQUEST: Duration = Duration::from_millis(150);

/// A process that takes longer hangs.
const DEADLINE: Duration = Duration::from_mins(1);

/// Starts a command whose output is read.
pub fn start(mut command: Command) -> Running {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, output) = mpsc::channel();
    forward(child.stdout.take().unwrap(), sender.clone(), Chunk::Stdout);
    forward(child.stderr.take().unwrap(), sender, Chunk::Stderr);
    Running { child, output, stdout: Vec::new(), stderr: Vec::new() }
}

/// Runs a command to its end.
pub fn finish(command: Command) -> Finished {
    start(command).finish()
}

#[derive(Debug)]
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
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: Receiver<Chunk>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Running {
    /// The id of the process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Sends another signal to a supervisor that has reacted to one: not within the time in which two signals are the
    /// same request.
    pub fn signal_again(&self, signal: Signal) {
        std::thread::sleep(SAME_REQUEST);
        self.signal(signal);
    }

    /// Waits until this text has been printed, to either stream.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
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
    pub fn finish(self) -> Finished {
        self.finish_watched(DEADLINE, |_| ())
    }

    /// The same, and calls `watch` with the id of the process at this interval.
    #[track_caller]
    pub fn finish_watched(mut self, interval: Duration, mut watch: impl FnMut(Pid)) -> Finished {
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

    /// Waits for the end of a process that is killed by SIGKILL.
    #[track_caller]
    pub fn finish_killed(mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{}", self.printed());
    }

    #[track_caller]
    fn wait(&mut self, interval: Duration, watch: &mut dyn FnMut(Pid)) -> ExitStatus {
        let pidfd = rustix::process::pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let started = Instant::now();
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

/// A process that has ended without a signal, and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// The lines on standard error that are a problem, with their causes.
    pub fn errors(&self) -> Vec<&str> {
        let is_error = |line: &&str| line.starts_with("error:") || line.starts_with("  caused by:");
        self.stderr.lines().filter(is_error).collect()
    }

    /// The lines on standard error that are warnings.
    pub fn warnings(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("warning:")).collect()
    }
}
