//! What reads bytes from outside, for the fuzz targets in `fuzz/`. Not for use by hand: it changes without
//! notice.
//!
//! Each function takes whatever bytes there are, and panics when what was read from them breaks a rule.
//! Refusing them is always right, so errors are given back for nobody to look at.

use std::ffi::OsString;
use std::io;

/// The frames that a worker and its supervisor send to each other.
pub fn frames(bytes: &[u8]) -> io::Result<()> {
    chutes_supervisor::worker::protocol::fuzz(bytes)
}

/// The text of an `authorized_keys` file. The error is what a user would be told.
pub fn ssh_keys(text: &str) -> Result<(), String> {
    let keys = chutes_ssh::AuthorizedKeys::parse(&[text.to_owned()]);
    keys.map(drop).map_err(|error| error.to_string())
}

/// A table such as `/proc/net/tcp`.
pub fn socket_table(bytes: &[u8]) {
    chutes_ports::fuzzing::sockets(bytes);
}

/// What a job answers to `GET /health`.
pub fn answer(bytes: &[u8]) {
    chutes_ports::fuzzing::answer(bytes);
}

/// The requests of an SFTP client that sees just these folders, each `PATH=FOLDER` or `PATH=FOLDER:ro`.
pub fn sftp(requests: &[u8], mounts: &[OsString]) -> io::Result<()> {
    chutes_ssh::sftp::fuzz(requests, mounts)
}
