//! The host key of the server: a new one for each run, in memory only.

use std::fs::File;
use std::io::{self, Read};

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};

use super::keys;

/// The default port, which is left out in a `known_hosts` file.
const SSH_PORT: u16 = 22;

/// A host key, with its forms for users.
pub(super) struct HostKey {
    key: PrivateKey,
}

impl HostKey {
    /// Generates a key.
    pub(super) fn generate() -> io::Result<Self> {
        let mut seed = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        Ok(Self { key: PrivateKey::from(Ed25519Keypair::from_seed(&seed)) })
    }

    pub(super) fn private(&self) -> PrivateKey {
        self.key.clone()
    }

    fn public(&self) -> &PublicKey {
        self.key.public_key()
    }

    pub(super) fn fingerprint(&self) -> String {
        keys::fingerprint(self.public())
    }

    /// Its line in a `known_hosts` file.
    pub(super) fn known_hosts(&self, host: &str, port: u16) -> io::Result<String> {
        let key = self.public().to_openssh().map_err(io::Error::other)?;
        let name = if port == SSH_PORT { host.to_owned() } else { format!("[{host}]:{port}") };
        Ok(format!("{name} {}", key.trim_end()))
    }
}

/// A command that opens a shell. The user name is ignored, but without one the client would send that of
/// its own user.
pub(super) fn command(host: &str, port: u16) -> String {
    if port == SSH_PORT { format!("ssh job@{host}") } else { format!("ssh -p {port} job@{host}") }
}
