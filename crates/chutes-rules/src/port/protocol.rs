//! The protocol of a port.

use std::fmt;
use std::str::FromStr;

use crate::Escaped;

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP over TCP; a service may put its gateway in front of it.
    Http,
    /// Any protocol over TCP.
    Tcp,
    /// Any protocol over UDP.
    Udp,
}

impl Protocol {
    /// All protocols, in the order in which messages name them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Tcp, Self::Udp];

    /// The name in declarations and in JSON: `http`, `tcp` or `udp`.
    ///
    /// ```
    /// use chutes::contract::Protocol;
    ///
    /// assert_eq!("udp".parse::<Protocol>()?, Protocol::Udp);
    /// assert_eq!(Protocol::Udp.as_str(), "udp");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        let known = Self::ALL.into_iter().find(|protocol| protocol.as_str() == name);
        known.ok_or_else(|| UnknownProtocol { name: name.into() })
    }
}

/// A word that is not a [`Protocol`].
///
/// ```
/// let error = "https".parse::<chutes::contract::Protocol>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown protocol `https`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProtocol {
    /// The word.
    pub name: String,
}

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown protocol `{}`", Escaped(&self.name))
    }
}

impl std::error::Error for UnknownProtocol {}
