//! Replaces SSH in a program that was built without the feature.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;

use chutes_core::{AccessRequest, EventReporter, Failure, SshEndpoint, missing};
use chutes_ports::Claims;
use chutes_process::Sessions;

use super::invalid;
use crate::worker::Worker;
use crate::{RunDirectory, Supervisor};

/// The keys of clients. No value of this type exists.
pub(super) type Keys = Infallible;

/// Fails if there are keys.
pub(super) fn read_keys(_: &[String]) -> Result<Option<Keys>, Failure> {
    Err(invalid(absent()))
}

/// Why this program has no SSH.
#[must_use]
pub fn ssh_missing() -> Option<String> {
    Some(absent())
}

fn absent() -> String {
    missing::part("SSH", "ssh")
}

/// Accepts a key: that there is no server is said once, and not of each key.
#[expect(clippy::unnecessary_wraps, reason = "the part that this stands for may fail")]
pub(crate) const fn check_key(_: &str) -> Result<(), String> {
    Ok(())
}

/// Says that there is no server, whatever the keys are.
///
/// # Errors
///
/// Always.
pub fn check_keys(_: &[String]) -> Result<(), String> {
    Err(absent())
}

/// Does nothing: no SSH session starts this program.
#[must_use]
pub const fn serve_files() -> Option<ExitCode> {
    None
}

/// Whether an SSH session has started this process to serve files: never.
#[must_use]
pub const fn is_file_server() -> bool {
    false
}

/// The keys of a server. No value of this type exists.
#[derive(Clone, Debug)]
pub(crate) struct KeyRing(Infallible);

impl KeyRing {
    pub(crate) fn add(&self, _: &[String]) -> Result<Vec<String>, Infallible> {
        match self.0 {}
    }

    pub(crate) fn remove(&self, _: &[String]) -> Result<Vec<String>, Infallible> {
        match self.0 {}
    }
}

/// The plan of a server. No value of this type exists.
pub(super) struct Plan(Infallible);

/// The SSH server of a run. No value of this type exists.
pub(super) struct Server(Infallible);

impl Plan {
    pub(super) fn new(_: &Supervisor, keys: Keys) -> Self {
        Self(keys)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the part that this stands for may fail")]
    pub(super) fn start(
        self,
        _: &AccessRequest,
        _: &mut Claims,
        _: &dyn Worker,
        _: &RunDirectory,
        _: Sessions,
        _: EventReporter,
    ) -> io::Result<Server> {
        Ok(Server(self.0))
    }
}

impl Server {
    pub(super) fn endpoint(&self) -> SshEndpoint {
        match self.0 {}
    }

    pub(super) fn keys(&self) -> KeyRing {
        match self.0 {}
    }

    pub(super) fn unused(&self) -> std::future::Ready<()> {
        match self.0 {}
    }

    pub(super) fn stop(self) -> std::future::Ready<Vec<String>> {
        match self.0 {}
    }
}
