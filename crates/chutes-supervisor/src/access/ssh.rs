//! SSH access to a run.

#[cfg_attr(not(feature = "container"), path = "ssh/no_container.rs")]
mod container;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use chutes_core::{AccessRequest, EventReporter, Failure, RunId, SecretPairs, SshEndpoint};
use chutes_ports::{Claims, variables};
use chutes_process::Sessions;
pub(super) use chutes_ssh::AuthorizedKeys as Keys;
pub(crate) use chutes_ssh::KeyRing;
use chutes_ssh::{
    ProcessBackend, ProcessBackendSetup, SessionBackend, SshLimits, SshServer, SshSettings, sftp,
};

use super::invalid;
use super::settings::public_host;
use crate::worker::{Isolation, Worker};
use crate::{RunDirectory, Supervisor};

/// Parses the public keys in these texts.
pub(super) fn read_keys(texts: &[String]) -> Result<Option<Keys>, Failure> {
    Keys::parse(texts).map_err(|error| invalid(error.to_string()))
}

/// Why this program has no SSH: with this feature it has.
#[must_use]
pub const fn ssh_missing() -> Option<String> {
    None
}

/// Checks one text with public keys.
pub(crate) fn check_key(text: &str) -> Result<(), String> {
    check_keys(&[text.to_owned()])
}

/// Checks public keys, each text with one or more lines as in `authorized_keys`.
///
/// # Errors
///
/// When a key cannot be used, with the problem of the first such key. Without the feature `ssh` always, and also if there
/// is no key: it says that there is no SSH server.
pub fn check_keys(texts: &[String]) -> Result<(), String> {
    Keys::parse(texts).map(drop).map_err(|error| error.to_string())
}

/// Serves files to an SFTP client, if an SSH session has started this process for that. Must be called first in
/// `main`.
#[must_use]
pub fn serve_files() -> Option<ExitCode> {
    sftp::is_wanted().then(sftp::main)
}

/// Whether an SSH session has started this process to serve files.
#[must_use]
pub fn is_file_server() -> bool {
    sftp::is_wanted()
}

/// Everything that the SSH server needs, apart from the worker.
pub(super) struct Plan {
    keys: Keys,
    keep_alive: bool,
    run_id: RunId,
    env: SecretPairs,
    artifacts_dir: Option<String>,
}

/// The SSH server of a run.
pub(super) struct Server {
    server: SshServer,
    keep_alive: bool,
}

impl Plan {
    pub(super) fn new(run: &Supervisor, keys: Keys) -> Self {
        Self {
            keys,
            keep_alive: run.request.spec.ssh.as_ref().is_some_and(|ssh| ssh.keep_alive),
            run_id: run.request.run_id,
            env: run.request.spec.env.clone(),
            artifacts_dir: run
                .request
                .spec
                .artifacts_dir
                .as_ref()
                .map(|path| path.as_str().to_owned()),
        }
    }

    /// Starts the server.
    pub(super) fn start(
        self,
        settings: &AccessRequest,
        claims: &mut Claims,
        worker: &dyn Worker,
        directory: &RunDirectory,
        sessions: Sessions,
        events: EventReporter,
    ) -> io::Result<Server> {
        let listener = claims.take_ssh();
        let listener = listener.ok_or_else(|| io::Error::other("its port is not there"))?;
        let (public_host, limits) = (public_host(settings), SshLimits::default());
        let ports = claims.job_ports();
        let connector = worker.connector();
        let backend: Arc<dyn SessionBackend> = match worker.isolation() {
            Isolation::Container(handle) => container::backend(
                handle,
                connector,
                ports,
                directory,
                self.artifacts_dir.as_deref(),
                sessions,
            ),
            Isolation::None | Isolation::Process => {
                Arc::new(ProcessBackend::new(ProcessBackendSetup {
                    run_id: self.run_id,
                    directory: directory.root().to_owned(),
                    env: self.env,
                    variables: variables(&ports),
                    connector,
                    ports,
                    sessions,
                }))
            }
        };
        let settings = SshSettings { keys: self.keys, public_host, limits };
        let server = SshServer::start(listener, settings, backend, events)?;
        Ok(Server { server, keep_alive: self.keep_alive })
    }
}

impl Server {
    /// The endpoint of the server.
    pub(super) fn endpoint(&self) -> SshEndpoint {
        self.server.endpoint()
    }

    /// The keys that may log in, to be changed.
    pub(super) fn keys(&self) -> KeyRing {
        self.server.keys()
    }

    /// Waits until no client is logged in, if the run should wait for that.
    pub(super) async fn unused(&self) {
        if self.keep_alive {
            // A server that has ended has no clients.
            let _ = self.server.open_sessions().wait_for(|open| *open == 0).await;
        }
    }

    /// Ends all sessions and their processes. Returns warnings.
    pub(super) async fn stop(self) -> Vec<String> {
        self.server.stop().await
    }
}

#[cfg(test)]
mod tests {
    use chutes_core::JobSpec;
    use serde_json::json;

    use crate::spec_rules;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    /// Keys of a spec that cannot be used are found with their places.
    #[test]
    fn keys_of_a_spec() {
        let check = |keys: &[&str], expected: &[&str]| {
            let spec = json!({ "image": "x", "ssh": { "public_keys": keys } }).to_string();
            let errors = JobSpec::from_json_with(&spec, spec_rules(&[])).err();
            let said = errors.map(|errors| errors.to_string()).unwrap_or_default();
            assert!(expected.iter().all(|part| said.contains(part)), "{keys:?}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
            assert!(!said.contains("secret"), "{said}");
        };
        check(&[], &[]);
        check(&[KEY, KEY], &[]);
        let with_options = format!("command=\"secret\" {KEY}");
        let place =
            "$.ssh.public_keys[1]: line 1 of the SSH public key begins with options (`command`)";
        check(&[KEY, &with_options], &[place]);
        check(
            &["ssh-dss secret", KEY, "secret"],
            &["$.ssh.public_keys[0]: ", "$.ssh.public_keys[2]: "],
        );
    }
}
