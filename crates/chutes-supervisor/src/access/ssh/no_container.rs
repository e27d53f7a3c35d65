//! Replaces SSH access to containers in a program that was built without containers.

use std::sync::Arc;

use chutes_core::PortAddress;
use chutes_ports::Connector;
use chutes_process::Sessions;
use chutes_ssh::SessionBackend;

use crate::RunDirectory;
use crate::worker::ContainerHandle;

/// The backend of SSH sessions in a container. It is never called, since no container handle exists.
#[expect(clippy::needless_pass_by_value, reason = "the part that this stands for takes it")]
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
