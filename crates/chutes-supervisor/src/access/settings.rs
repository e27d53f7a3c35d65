//! How a run is reached, apart from what its spec says.

use std::net::{IpAddr, Ipv4Addr};

/// How a run is reached, apart from what its spec says.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The address of this machine on which ports are opened.
    pub host: IpAddr,
    /// The name or address under which others reach this machine; `None` is that of `host`.
    pub public_host: Option<String>,
    /// The number of the port for requests over TLS; 0 is any that is free.
    pub streaming_port: u16,
}

impl AccessSettings {
    /// The name or address under which others reach this machine, as far as it is known.
    pub(super) fn public_host(&self) -> String {
        let of_all = || {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        };
        let given = self.public_host.clone();
        given
            .or_else(|| if self.host.is_unspecified() { of_all() } else { None })
            .unwrap_or_else(|| self.host.to_string())
    }
}

impl Default for AccessSettings {
    /// For this machine alone.
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into(), public_host: None, streaming_port: 0 }
    }
}
