//! SSH access to the container of a run.

use std::path::PathBuf;
use std::sync::Arc;

use chutes_core::PortAddress;
use chutes_ports::Connector;
use chutes_process::Sessions;
use chutes_ssh::{ContainerBackend, ContainerBackendSetup, SessionBackend};

use crate::RunDirectory;
use crate::worker::ContainerHandle;

/// The backend of SSH sessions in a container.
pub(super) fn backend(
    handle: ContainerHandle,
    connector: Connector,
    ports: Vec<PortAddress>,
    directory: &RunDirectory,
    artifacts_dir: Option<&str>,
    sessions: Sessions,
) -> Arc<dyn SessionBackend> {
    let mounts = mounts(directory, artifacts_dir);
    let engine = handle.running;
    Arc::new(ContainerBackend::new(ContainerBackendSetup {
        engine,
        connector,
        ports,
        mounts,
        sessions,
    }))
}

/// The folders that SFTP shows of a run in a container: those that are mounted from this machine.
fn mounts(directory: &RunDirectory, artifacts_dir: Option<&str>) -> Vec<(String, PathBuf, bool)> {
    let mut mounts = vec![
        ("/volume".to_owned(), directory.inputs().to_owned(), true),
        ("/output".to_owned(), directory.outputs().to_owned(), false),
    ];
    if let Some(path) = artifacts_dir {
        mounts.push((path.to_owned(), directory.artifacts(), false));
    }
    mounts
}
