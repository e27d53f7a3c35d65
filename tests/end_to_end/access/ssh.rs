//! Runs that one can log in to, and the programs of OpenSSH to do so.
//!
//! Nobody's own keys, agent or configuration are used: each test has its own in its sandbox.

use std::fmt::Write as _;
use std::io::{PipeWriter, Write as _};
use std::path::PathBuf;
use std::process::Command;

use chutes::{Event, RunEvent, SshEndpoint};

use crate::support::{Finished, Running, Sandbox, finish, start, wait_until};

/// The options of a run that `key.pub` of the sandbox may log in to, and that others do not collide with.
pub(crate) const OPEN: &str =
    "--run-dir run --json --events events --publish ssh:0 --ssh-public-key @key.pub";

/// A run that one can log in to, and the folder with the key for it.
pub(crate) struct Served {
    pub(crate) sandbox: Sandbox,
    pub(crate) running: Running,
    pub(crate) endpoint: SshEndpoint,
}

impl Served {
    /// The job `serves`, which runs until it is cancelled.
    pub(crate) fn start() -> Self {
        Self::run("serves --publish web:0 --publish echo:0", "serving")
    }

    /// The job `offers_ssh`, which waits to be told to go on in one of its ways.
    pub(crate) fn start_job(way: &str, options: &str) -> Self {
        Self::run(&format!("offers_ssh --data {{\"way\":\"{way}\"}} {options}"), "ready")
    }

    /// A job with options, once it has printed this.
    pub(crate) fn run(words: &str, ready: &str) -> Self {
        let sandbox = Sandbox::new();
        make_key(&sandbox, "key", "ed25519");
        let arguments = format!("run {words} {OPEN}");
        let command = sandbox.command(&arguments.split_whitespace().collect::<Vec<_>>());
        Self::begin(sandbox, command, ready)
    }

    /// The same for any command that writes its events into `events`.
    #[track_caller]
    pub(crate) fn begin(sandbox: Sandbox, command: Command, ready: &str) -> Self {
        let mut running = start(command);
        running.wait_for(ready);
        let endpoint = wait_for_event(&sandbox, |event| match event {
            RunEvent::Ssh(endpoint) => Some(endpoint),
            _ => None,
        });
        write_configuration(&sandbox, &endpoint, "key");
        Self { sandbox, running, endpoint }
    }

    /// One of the programs of OpenSSH with its configuration for this run, which is the host `run`.
    pub(crate) fn program(&self, name: &str, words: &[&str]) -> Command {
        self.sandbox.program(&[&[name, "-F", "config"], words].concat())
    }

    /// `ssh` to its end.
    #[track_caller]
    pub(crate) fn ssh(&self, words: &[&str]) -> Finished {
        finish(self.program("ssh", words))
    }

    /// What a command prints that succeeds.
    #[track_caller]
    pub(crate) fn printed(&self, command: &str) -> String {
        let finished = self.ssh(&["run", command]);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.stdout
    }

    /// `ssh` in the background. It ends at the end of its input, which is the other result.
    pub(crate) fn start_ssh(&self, words: &[&str]) -> (Running, PipeWriter) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = self.program("ssh", words);
        command.stdin(reader);
        (start(command), writer)
    }

    /// Copies by `scp`.
    #[track_caller]
    pub(crate) fn copy(&self, from: &str, to: &str) {
        let finished = finish(self.program("scp", &["-q", from, to]));
        assert_eq!(finished.code, Some(0), "{finished:#?}");
    }

    /// Lets the job go on.
    pub(crate) fn go(&self) {
        std::fs::write(self.path("scratch/go"), "").unwrap();
    }

    /// Cancels the run, and waits for its end.
    #[track_caller]
    pub(crate) fn cancel(self) -> (Sandbox, Finished) {
        self.running.signal(rustix::process::Signal::INT);
        self.end()
    }

    /// Waits for the end of the run.
    #[track_caller]
    pub(crate) fn end(self) -> (Sandbox, Finished) {
        (self.sandbox, self.running.finish())
    }

    /// The path of something in the directory of the run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("run").join(name)
    }

    /// Waits for something that is told of the run.
    #[track_caller]
    pub(crate) fn wait_for_event<T>(&self, wanted: impl Fn(RunEvent) -> Option<T>) -> T {
        wait_for_event(&self.sandbox, wanted)
    }
}

/// A new pair of keys: `name`, and `name.pub`.
pub(crate) fn make_key(sandbox: &Sandbox, name: &str, kind: &str) {
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let words = [&["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", name], bits].concat();
    let made = finish(sandbox.program(&words));
    assert_eq!(made.code, Some(0), "{made:#?}");
}

/// The public key in `name.pub`.
pub(crate) fn public_key(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
}

/// The host `run` for OpenSSH, with one key. Only the host key that was told is trusted.
pub(crate) fn write_configuration(sandbox: &Sandbox, endpoint: &SshEndpoint, key: &str) {
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

/// The events so far. The last line may be half written.
pub(crate) fn events(sandbox: &Sandbox) -> Vec<RunEvent> {
    let text = std::fs::read_to_string(sandbox.path("events")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str::<Event>(line).unwrap().what).collect()
}

#[track_caller]
fn wait_for_event<T>(sandbox: &Sandbox, wanted: impl Fn(RunEvent) -> Option<T>) -> T {
    let mut found = None;
    wait_until("the event", || {
        found = events(sandbox).into_iter().find_map(&wanted);
        found.is_some()
    });
    found.unwrap()
}

/// The processes whose command line, with blanks between its words, has this text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let command_lines = entries.filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    command_lines.filter(|line| line.contains(text)).collect()
}

/// Writes a line to what runs in a session.
pub(crate) fn type_line(to: &mut PipeWriter, line: &str) {
    to.write_all(format!("{line}\n").as_bytes()).unwrap();
}
