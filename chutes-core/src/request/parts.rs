//! The parts of a run request that belong together: access, cache, engine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path;

/// How a run is reached, apart from what its spec says: published numbers and SSH keys are in the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub struct AccessRequest {
    /// The address of this machine on which ports are opened; `0.0.0.0` or `::` for all. Default
    /// `127.0.0.1`; from `--host`.
    pub host: IpAddr,
    /// The name or IP address under which others reach this machine, for certificates and for the commands
    /// that are shown: a host name of at most 253 bytes, or an address. Default `null`, which is that of
    /// `host`; from `--public-host`.
    pub public_host: Option<String>,
    /// The number of the port for requests over TLS: from 0 to 65,535, and 0 is any that is free. Default
    /// 0; from `--streaming-port`.
    pub streaming_port: u16,
}

impl AccessRequest {
    /// Whether a text is a host name or an IP address, as it can stand in a certificate and in a command.
    ///
    /// ```
    /// use chutes::request::AccessRequest;
    ///
    /// assert!(AccessRequest::is_public_host("gpu-7.lab.test"));
    /// assert!(!AccessRequest::is_public_host("$(reboot)"));
    /// ```
    #[must_use]
    pub fn is_public_host(text: &str) -> bool {
        let is_label = |label: &str| {
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len()) && label.bytes().all(is_good) && !label.starts_with('-')
        };
        let is_name = text.len() <= 253 && text.split('.').all(is_label);
        is_name || text.parse::<IpAddr>().is_ok()
    }
}

impl Default for AccessRequest {
    /// From this machine alone.
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into(), public_host: None, streaming_port: 0 }
    }
}

/// Where the files of input volumes are kept for later runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub struct CacheRequest {
    /// The directory: 1 to 4,095 bytes, none of which is zero. Default `null`, which is what the environment
    /// of the supervisor says: `CHUTES_CACHE_DIR`, else `chutes` in `XDG_CACHE_HOME` or `~/.cache`; from
    /// `--cache-dir`.
    #[serde(serialize_with = "path::write_optional")]
    #[schemars(schema_with = "path::optional_schema")]
    pub dir: Option<PathBuf>,
    /// How much is kept there, in bytes: 1 or more. What was not used for the longest time goes first.
    /// Default `null`, which is what the supervisor keeps by itself (20 GiB); from `--cache-size`.
    #[schemars(range(min = 1))]
    pub size: Option<u64>,
    /// Whether something is kept, and taken from what was kept. When it is not, the other fields say
    /// nothing. Default yes; `--no-cache` is no.
    pub enabled: bool,
}

impl Default for CacheRequest {
    /// The cache of the user.
    fn default() -> Self {
        Self { dir: None, size: None, enabled: true }
    }
}

/// The container engine that an image runs on.
#[derive(Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub struct EngineRequest {
    /// Its address, `unix:///PATH` or `tcp://HOST:PORT`: 1 to 4,095 bytes without control characters.
    /// Default `null`, which is `DOCKER_HOST`, else the first of the usual sockets that answers; from the
    /// starter.
    pub host: Option<String>,
    /// When the image is pulled. Default when it is not there; from `--pull`.
    pub pull: PullPolicy,
}

impl EngineRequest {
    /// The address as it is shown. One with more than a host and a port may have a password.
    fn shown_host(&self) -> Option<&str> {
        let host = self.host.as_deref()?;
        let is_socket = host.starts_with('/') || host.starts_with("unix:");
        Some(if !is_socket && host.contains(['@', '?', '#']) { "…" } else { host })
    }
}

impl fmt::Debug for EngineRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineRequest")
            .field("host", &self.shown_host())
            .field("pull", &self.pull)
            .finish()
    }
}

/// When an image is pulled.
///
/// ```
/// use chutes::request::PullPolicy;
///
/// assert_eq!("always".parse(), Ok(PullPolicy::Always));
/// assert_eq!(PullPolicy::default().to_string(), "missing");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// When it is not there.
    #[default]
    Missing,
    /// Each time: there may be a newer one of the same name.
    Always,
    /// Never: it must be there.
    Never,
}

impl PullPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Missing, Self::Always, Self::Never];

    /// The name in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PullPolicy {
    type Err = UnknownPullPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPullPolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or(UnknownPullPolicy)
    }
}

/// A word that does not say when an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image is pulled when it is `missing`, `always` or `never`")]
pub struct UnknownPullPolicy;
