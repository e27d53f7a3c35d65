//! The names that a container without a network can look up: its own, and `localhost`.
//!
//! Podman copies the names and addresses of the machine into containers, if it is not told to use another file. With a
//! network, only the engine knows the address of the container, which belongs into that file, so it stays as it is.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::ContainerSetup;

/// Where a container has the file.
pub(super) const IN_CONTAINER: &str = "/etc/hosts";

/// The name of the container in its own eyes; `None` for that of the engine.
pub(super) fn hostname(setup: &ContainerSetup) -> Option<String> {
    (!setup.network).then(|| format!("run-{}", setup.run_id.short()))
}

/// Where the file is on this machine; `None` for that of the engine.
pub(super) fn file(setup: &ContainerSetup) -> Option<PathBuf> {
    (!setup.network).then(|| setup.directory.scratch().join("hosts"))
}

/// Writes the file, for whichever user the container has.
pub(super) fn write(setup: &ContainerSetup) -> io::Result<()> {
    let (Some(file), Some(hostname)) = (file(setup), hostname(setup)) else { return Ok(()) };
    std::fs::write(&file, format!("127.0.0.1 localhost {hostname}\n::1 localhost {hostname}\n"))?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o644))
}
