//! Where a run can be reached.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Port;

/// Where a run can be reached while it goes on: in the events as it becomes known, and all of it in the
/// outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoints {
    /// The ports, the SSH port last, each with its real address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortAddress>,
    /// The SSH server, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshEndpoint>,
    /// Where requests are served, once the job is ready for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<StreamingEndpoint>,
}

/// A port of a run: as it is declared, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortAddress {
    /// The port as it is declared.
    #[serde(flatten)]
    pub port: Port,
    /// Where it is, on this machine. Its number differs from the declared one when the run publishes it
    /// under another.
    #[schemars(with = "String")]
    pub address: SocketAddr,
}

/// The SSH server of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SshEndpoint {
    /// Where it listens.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The fingerprint of its host key, as OpenSSH shows it: `SHA256:` and 43 characters.
    pub fingerprint: String,
    /// Its line in a `known_hosts` file.
    pub known_hosts: String,
    /// A command that opens a shell, for people.
    pub command: String,
}

/// Where a run serves requests, over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamingEndpoint {
    /// The name or IP address of this machine for its clients; the certificate is for it.
    pub host: String,
    /// The number of the TCP port.
    pub port: u16,
    /// The certificate (PEM) of the server, for the trust store of its clients.
    pub certificate: String,
}
