//! What the tests of the SSH server share: a log of events, keys and clients of OpenSSH, and a server.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{EventReporter, RunEvent, RunId, SecretPairs};
use chutes_ports::Connector;
use chutes_process::Sessions;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::backend::{ProcessBackend, ProcessBackendSetup};
use super::keys::AuthorizedKeys;
use super::limits::SshLimits;
use super::server::{SshServer, SshSettings};

/// How long an expected event may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Keeps all events.
#[derive(Default)]
pub(super) struct EventLog {
    events: Mutex<Vec<RunEvent>>,
    more: Notify,
}

impl EventLog {
    pub(super) fn reporter(self: &Arc<Self>) -> EventReporter {
        let log = Arc::clone(self);
        EventReporter::new(move |event| {
            log.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            log.more.notify_waiters();
        })
    }

    pub(super) fn all(&self) -> Vec<RunEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an event for which `find` returns a value.
    pub(super) async fn find<T>(&self, find: impl Fn(&RunEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(found) = self.all().iter().find_map(&find) {
                    return found;
                }
                more.await;
            }
        };
        timeout(TIMEOUT, found).await.unwrap_or_else(|_| panic!("no such event: {:?}", self.all()))
    }

    pub(super) async fn refusal(&self) -> String {
        self.find(|event| match event {
            RunEvent::SshRefused { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await
    }
}

/// The command of a program of OpenSSH, which has to be installed.
fn openssh(program: &str) -> Command {
    let found = Command::new(program).arg("-V").stderr(Stdio::null()).stdin(Stdio::null()).output();
    assert!(found.is_ok(), "`{program}` is needed: install openssh-client");
    Command::new(program)
}

/// Makes a key pair, and returns the path of the private key.
pub(super) fn key_pair(folder: &Path, kind: &str, bits: &str) -> PathBuf {
    let path = folder.join(format!("{kind}-{bits}"));
    let made = openssh("ssh-keygen")
        .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "a comment", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    path
}

pub(super) fn public_key(private: &Path) -> String {
    std::fs::read_to_string(private.with_extension("pub")).unwrap()
}

/// A server for a run, and one key that may log in.
pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) server: SshServer,
    pub(super) log: Arc<EventLog>,
    pub(super) key: PathBuf,
}

/// The options of a fixture.
#[derive(Default)]
pub(super) struct FixtureOptions {
    pub(super) limits: SshLimits,
    pub(super) more_keys: Vec<String>,
    pub(super) sftp: Option<fn() -> std::io::Result<Command>>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(FixtureOptions::default())
    }

    pub(super) fn with(options: FixtureOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = key_pair(folder.path(), "ed25519", "256");
        let directory = folder.path().join("run");
        std::fs::create_dir(&directory).unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let mut keys = options.more_keys;
        keys.push(public_key(&key));
        let mut backend = ProcessBackend::new(ProcessBackendSetup {
            run_id: RunId::from_bytes([7; 16]),
            directory,
            // The startup files of the user are not read.
            env: SecretPairs::new(vec![
                ("OF_THE_JOB".into(), "yes".into()),
                ("HOME".into(), home.display().to_string()),
            ]),
            variables: vec![("CHUTES_PORT_TCP_8080".into(), "18080".into())],
            connector: Connector::Here,
            ports: Vec::new(),
            sessions: Sessions::default(),
        });
        if let Some(sftp) = options.sftp {
            backend.set_sftp(sftp);
        }
        let log = Arc::new(EventLog::default());
        let settings = SshSettings {
            keys: AuthorizedKeys::parse(&keys).unwrap().unwrap(),
            public_host: "127.0.0.1".into(),
            limits: options.limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let events = log.reporter();
        let server = SshServer::start(listener, settings, Arc::new(backend), events).unwrap();
        let endpoint = server.endpoint();
        std::fs::write(folder.path().join("known_hosts"), endpoint.known_hosts + "\n").unwrap();
        Self { folder, server, log, key }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.endpoint().address
    }

    /// The directory in which sessions start.
    pub(super) fn directory(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// The client of OpenSSH, which checks the host key.
    pub(super) fn client(&self) -> Command {
        self.client_with_key(&self.key)
    }

    pub(super) fn client_with_key(&self, key: &Path) -> Command {
        let known_hosts = self.folder.path().join("known_hosts");
        let mut client = openssh("ssh");
        client
            .args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"])
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
            .args(["-o", "LogLevel=INFO", "-p", &self.address().port().to_string(), "-i"])
            .arg(key)
            .arg("job@127.0.0.1")
            .env_remove("LANG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        client
    }

    /// Runs a command by SSH.
    pub(super) async fn run(&self, options: &[&str], command: &str) -> Finished {
        let mut client = self.client();
        client.args(options).arg("--").arg(command);
        finish(client).await
    }

    /// Stops the server, and checks that there is no warning.
    pub(super) async fn stop(self) {
        let address = self.address();
        let warnings = timeout(TIMEOUT, self.server.stop()).await.unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        // A child that another test starts has a copy of the listener until its `exec`.
        wait_until("the listener is closed", || std::net::TcpStream::connect(address).is_err())
            .await;
    }
}

/// The output and the exit code of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// Waits for a client.
pub(super) async fn finish(client: Command) -> Finished {
    let mut client = tokio::process::Command::from(client);
    let output = client.kill_on_drop(true).output();
    timeout(TIMEOUT, output).await.expect("the client hangs").unwrap().into()
}

/// Polls until a condition holds.
pub(super) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("it does not happen: {what}"));
}
