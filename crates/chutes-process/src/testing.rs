//! What the tests of this crate share: shell scripts as real processes, and a lock against tests in
//! parallel.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use chutes_core::RunId;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::sync::{Mutex, MutexGuard};

/// A lock that every test that starts processes holds: the descendants of one test would be those of all.
pub(crate) async fn exclusive() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// An id that no other run has, also when these tests run twice at the same time.
pub(crate) fn unique_run_id(byte: u8) -> RunId {
    let mut bytes = [byte; 16];
    bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    RunId::from_bytes(bytes)
}

/// A shell script in a process group of its own. Its standard input, also its descriptor 3, stays open
/// until `input` is dropped: a process that reads from it waits. (The standard input of a background
/// process of a shell is empty.)
pub(crate) struct Shell {
    pub child: Child,
    pub input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Shell {
    pub(crate) fn start(script: &str) -> Self {
        Self::start_with(script, &[])
    }

    pub(crate) fn start_with(script: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec 3<&0; {script}")])
            .envs(variables.iter().copied())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { input: child.stdin.take(), output, child }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The next line that it or one of its descendants prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next line, as a pid.
    pub(crate) fn pid_line(&mut self) -> Pid {
        Pid::from_raw(self.line().parse().unwrap()).unwrap()
    }

    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) {
        self.output.read_exact(bytes).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

/// Waits, without taking its exit status, until a child or an adopted orphan is in a state.
pub(crate) fn wait_for(pid: Pid, state: WaitIdOptions) {
    waitid(WaitId::Pid(pid), state | WaitIdOptions::NOWAIT).unwrap().unwrap();
}

/// Whether there is a process with this pid, ended or not.
pub(crate) fn exists(pid: Pid) -> bool {
    std::path::Path::new(&format!("/proc/{}", pid.as_raw_pid())).exists()
}
