//! Runs with an SSH server, and the programs of OpenSSH as its clients.
//!
//! Keys and configuration are those in the sandbox of the test; the user's own are not read, nor is an agent used.

use std::fmt::Write as _;
use std::io::{PipeWriter, Write as _};
use std::path::PathBuf;
use std::process::Command;

use chutes_core::{RunEvent, SshEndpoint};

use crate::events::{reported, wait_for_reported};
use crate::run::{Finished, Running, finish, start};
use crate::sandbox::Sandbox;

/// The options of a run that accepts the key `key.pub` of the sandbox, on a port that is free.
pub const OPEN: &str =
    "--run-dir run --json --events events --publish ssh:0 --ssh-public-key @key.pub";

/// A run with an SSH server, and the folder with the key for it.
#[derive(Debug)]
pub struct SshRun {
    /// The folder with keys, configuration and run.
    pub sandbox: Sandbox,
    /// The supervisor.
    pub running: Running,
    /// Where the SSH server listens, and its host key.
    pub endpoint: SshEndpoint,
}

impl SshRun {
    /// Starts a run of the job binary with options, and waits until it has printed `ready`.
    #[track_caller]
    pub fn start(sandbox: Sandbox, words: &str, ready: &str) -> Self {
        make_key(&sandbox, "key", "ed25519");
        let arguments = format!("run {words} {OPEN}");
        let command = sandbox.command(&arguments.split_whitespace().collect::<Vec<_>>());
        Self::begin(sandbox, command, ready)
    }

    /// The same for any command that writes its events to `events`, with the key that is there.
    #[track_caller]
    pub fn begin(sandbox: Sandbox, command: Command, ready: &str) -> Self {
        let mut running = start(command);
        running.wait_for(ready);
        let endpoint = wait_for_reported(&sandbox.path("events"), |event| match event {
            RunEvent::Ssh(endpoint) => Some(endpoint),
            _ => None,
        });
        write_configuration(&sandbox, &endpoint, "key");
        Self { sandbox, running, endpoint }
    }

    /// One of the programs of OpenSSH with its configuration for this run, which is the host `run`.
    pub fn program(&self, name: &str, words: &[&str]) -> Command {
        self.sandbox.program(&[&[name, "-F", "config"], words].concat())
    }

    /// `ssh` to its end.
    #[track_caller]
    pub fn ssh(&self, words: &[&str]) -> Finished {
        finish(self.program("ssh", words))
    }

    /// What a command prints. It has to succeed.
    #[track_caller]
    pub fn printed(&self, command: &str) -> String {
        let finished = self.ssh(&["run", command]);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.stdout
    }

    /// `ssh` in the background, and the other end of its standard input. It ends when that is closed.
    pub fn start_ssh(&self, words: &[&str]) -> (Running, PipeWriter) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = self.program("ssh", words);
        command.stdin(reader);
        (start(command), writer)
    }

    /// Copies by `scp`.
    #[track_caller]
    pub fn copy(&self, from: &str, to: &str) {
        let finished = finish(self.program("scp", &["-q", from, to]));
        assert_eq!(finished.code, Some(0), "{finished:#?}");
    }

    /// Lets the job go on.
    pub fn go(&self) {
        std::fs::write(self.path("scratch/go"), "").unwrap();
    }

    /// Cancels the run, and waits for its end.
    #[track_caller]
    pub fn cancel(self) -> (Sandbox, Finished) {
        self.running.signal(rustix::process::Signal::INT);
        self.end()
    }

    /// Waits for the end of the run.
    #[track_caller]
    pub fn end(self) -> (Sandbox, Finished) {
        (self.sandbox, self.running.finish())
    }

    /// The path of something in the directory of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("run").join(name)
    }

    /// The events of the run so far.
    pub fn events(&self) -> Vec<RunEvent> {
        reported(&self.sandbox.path("events"))
    }

    /// Waits for an event of the run that `wanted` accepts.
    #[track_caller]
    pub fn wait_for_event<T>(&self, wanted: impl Fn(RunEvent) -> Option<T>) -> T {
        wait_for_reported(&self.sandbox.path("events"), wanted)
    }
}

/// A new pair of keys: `name`, and `name.pub`.
pub fn make_key(sandbox: &Sandbox, name: &str, kind: &str) {
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let words = [&["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", name], bits].concat();
    let made = finish(sandbox.program(&words));
    assert_eq!(made.code, Some(0), "{made:#?}");
}

/// The public key in `name.pub`.
pub fn public_key(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
}

/// The host `run` for OpenSSH, with one key. Only the reported host key is trusted.
pub fn write_configuration(sandbox: &Sandbox, endpoint: &SshEndpoint, key: &str) {
    std::fs::write(sandbox.path("known_hosts"), format!("{}\n", endpoint.known_hosts)).unwrap();
    let mut text = format!(
        "Host run\n HostName {}\n Port {}\n User job\n",
        endpoint.address.ip(),
        endpoint.address.port()
    );
    let path = |name| sandbox.path(name).display().to_string();
    let (identity, known_hosts) = (path(key), path("known_hosts"));
    let _ = write!(
        text,
        "Host *\n IdentityFile {identity}\n UserKnownHostsFile {known_hosts}\n \
         GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n IdentitiesOnly yes\n \
         IdentityAgent none\n BatchMode yes\n ConnectTimeout 30\n LogLevel ERROR\n"
    );
    std::fs::write(sandbox.path("config"), text).unwrap();
}

/// Writes a line to the standard input of a session.
pub fn type_line(to: &mut PipeWriter, line: &str) {
    to.write_all(format!("{line}\n").as_bytes()).unwrap();
}
