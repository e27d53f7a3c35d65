//! Entry points of the fuzz targets in `fuzz/`: the parsers of untrusted bytes. Not for use by hand: it changes
//! without notice.
//!
//! Each function accepts any bytes, and panics when the parsed value breaks a rule. An error is always a valid
//! answer, so the fuzz targets ignore it.

use std::ffi::OsString;
use std::io;

/// Parses the frames of the protocol between worker and supervisor.
pub fn frames(bytes: &[u8]) -> io::Result<()> {
    chutes_supervisor::worker::protocol::fuzz(bytes)
}

/// Parses the text of an `authorized_keys` file. The error is the message for the user.
pub fn ssh_keys(text: &str) -> Result<(), String> {
    let keys = chutes_ssh::AuthorizedKeys::parse(&[text.to_owned()]);
    keys.map(drop).map_err(|error| error.to_string())
}

/// Parses a table such as `/proc/net/tcp`.
pub fn socket_table(bytes: &[u8]) {
    chutes_ports::fuzzing::sockets(bytes);
}

/// Parses the answer of a job to `GET /health`.
pub fn answer(bytes: &[u8]) {
    chutes_ports::fuzzing::answer(bytes);
}

/// Serves the requests of an SFTP client that sees only these folders, each `PATH=FOLDER` or `PATH=FOLDER:ro`.
pub fn sftp(requests: &[u8], mounts: &[OsString]) -> io::Result<()> {
    chutes_ssh::sftp::fuzz(requests, mounts)
}
