//! SSH into a run.

use std::io;
use std::sync::Arc;

use chutes_core::{EventReporter, RunId, SecretPairs};
use chutes_ports::{Claims, variables};
use chutes_ssh::{
    ProcessBackend, ProcessBackendSetup, SessionBackend, SshLimits, SshServer, SshSettings,
};

use super::{AccessSettings, keys::Keys};
use crate::process::Sessions;
use crate::run::Run;
use crate::run::worker::Worker;

/// What is needed to let people in, apart from the worker.
pub(super) struct Plan {
    keys: Keys,
    pub(super) keep_alive: bool,
    run_id: RunId,
    env: SecretPairs,
    #[cfg(feature = "container")]
    artifacts_dir: Option<String>,
}

impl Plan {
    pub(super) fn new(run: &Run, keys: Keys) -> Self {
        Self {
            keys,
            keep_alive: run.spec.ssh.as_ref().is_some_and(|ssh| ssh.keep_alive),
            run_id: run.id,
            env: run.spec.env.clone(),
            #[cfg(feature = "container")]
            artifacts_dir: run.spec.artifacts_dir.as_ref().map(|path| path.as_str().to_owned()),
        }
    }

    /// Listens from now on.
    pub(super) fn start(
        self,
        settings: &AccessSettings,
        claims: &mut Claims,
        worker: &Worker,
        directory: &crate::run::RunDirectory,
        sessions: Sessions,
        events: EventReporter,
    ) -> io::Result<SshServer> {
        let listener = claims.take_ssh();
        let listener = listener.ok_or_else(|| io::Error::other("its port is not there"))?;
        let (public_host, limits) = (settings.public_host(), SshLimits::default());
        let ports = claims.job_ports();
        let backend: Arc<dyn SessionBackend> = match worker {
            #[cfg(feature = "container")]
            Worker::Container(worker) => {
                let mounts = container_mounts(directory, self.artifacts_dir.as_deref());
                Arc::new(chutes_ssh::ContainerBackend::new(chutes_ssh::ContainerBackendSetup {
                    engine: worker.running(),
                    connector: worker.connector(),
                    ports,
                    mounts,
                    sessions,
                }))
            }
            Worker::Local(_) | Worker::Process(_) => {
                Arc::new(ProcessBackend::new(ProcessBackendSetup {
                    run_id: self.run_id,
                    directory: directory.root().to_owned(),
                    env: self.env,
                    variables: variables(&ports),
                    connector: worker.connector(),
                    ports,
                    sessions,
                }))
            }
        };
        let settings = SshSettings { keys: self.keys, public_host, limits };
        SshServer::start(listener, settings, backend, events)
    }
}

/// What SFTP shows of a run in a container: the folders that it shares with this machine.
#[cfg(feature = "container")]
fn container_mounts(
    directory: &crate::run::RunDirectory,
    artifacts_dir: Option<&str>,
) -> Vec<(String, std::path::PathBuf, bool)> {
    let mut mounts = vec![
        ("/volume".to_owned(), directory.inputs().to_owned(), true),
        ("/output".to_owned(), directory.outputs().to_owned(), false),
    ];
    if let Some(path) = artifacts_dir {
        mounts.push((path.to_owned(), directory.artifacts(), false));
    }
    mounts
}
