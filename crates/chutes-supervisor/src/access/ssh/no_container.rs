//! Stands for SSH into containers in a program that was built without containers.

use std::sync::Arc;

use chutes_core::PortAddress;
use chutes_ports::Connector;
use chutes_process::Sessions;
use chutes_ssh::SessionBackend;

use crate::RunDirectory;
use crate::worker::ContainerHandle;

/// There is no container.
pub(super) fn backend(
    handle: ContainerHandle,
    _: Connector,
    _: Vec<PortAddress>,
    _: &RunDirectory,
    _: Option<&str>,
    _: Sessions,
) -> Arc<dyn SessionBackend> {
    match handle {}
}
