//! Ports that a job declares.

mod list;
mod name;
mod number;
mod protocol;

use std::borrow::Cow;
use std::fmt;

pub use self::list::{Ports, PortsError};
pub use self::name::{PortName, PortNameError};
pub use self::number::{PortNumber, PortNumberError};
pub use self::protocol::{Protocol, UnknownProtocol};

/// One port of a job: name, number, protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Port {
    name: PortName,
    #[cfg_attr(feature = "serde", serde(rename = "port"))]
    number: PortNumber,
    #[cfg_attr(feature = "serde", serde(rename = "proto"))]
    protocol: Protocol,
}

impl Port {
    /// Checks name and number.
    ///
    /// ```
    /// let web = chutes_core::Port::new("web", 8080, chutes_core::Protocol::Http)?;
    /// assert_eq!((web.name().as_str(), web.number().get()), ("web", 8080));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        number: u64,
        protocol: Protocol,
    ) -> Result<Self, PortError> {
        let name = PortName::new(name)?;
        let number = PortNumber::new(number)?;
        Ok(Self { name, number, protocol })
    }

    /// The port that `ssh = true` adds: `ssh`, 2202, TCP.
    #[must_use]
    pub const fn ssh() -> Self {
        let name = PortName::SSH;
        Self { name, number: PortNumber::SSH, protocol: Protocol::Tcp }
    }

    /// The name, unique within a job.
    #[must_use]
    pub fn name(&self) -> &PortName {
        &self.name
    }

    /// The number, unique within a job.
    #[must_use]
    pub fn number(&self) -> PortNumber {
        self.number
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Why this port and an earlier one cannot belong to one job, if they cannot.
    #[must_use]
    pub fn conflict_with(&self, earlier: &Self) -> Option<PortConflict> {
        if self.number == earlier.number {
            Some(PortConflict::Number { number: self.number, used_by: earlier.name.clone() })
        } else if self.name == earlier.name {
            Some(PortConflict::Name { name: self.name.clone() })
        } else {
            None
        }
    }
}

/// Why a [`Port`] cannot be made.
///
/// ```
/// use chutes_core::{Port, PortError, Protocol};
///
/// let error = Port::new("web", 80, Protocol::Http).unwrap_err();
/// assert!(matches!(error, PortError::Number(_)));
/// assert_eq!(error.to_string(), "port 80 is out of range");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortError {
    /// The name breaks the rule for names.
    Name(PortNameError),
    /// The number is out of range.
    Number(PortNumberError),
}

impl From<PortNameError> for PortError {
    fn from(error: PortNameError) -> Self {
        Self::Name(error)
    }
}

impl From<PortNumberError> for PortError {
    fn from(error: PortNumberError) -> Self {
        Self::Number(error)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Number(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PortError {}

/// Why two ports cannot belong to one job.
///
/// ```
/// use chutes_core::{Port, Protocol};
///
/// let web = Port::new("web", 8080, Protocol::Http)?;
/// let conflict = Port::new("api", 8080, Protocol::Udp)?.conflict_with(&web);
/// assert_eq!(conflict.map(|it| it.to_string()).as_deref(), Some("port 8080 is declared twice"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortConflict {
    /// Both have the same number (the protocols do not matter).
    Number {
        /// The number.
        number: PortNumber,
        /// The name of the port that has it already.
        used_by: PortName,
    },
    /// Both have the same name.
    Name {
        /// The name.
        name: PortName,
    },
}

impl fmt::Display for PortConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { number, .. } => write!(f, "port {number} is declared twice"),
            Self::Name { name } => write!(f, "port name `{name}` is used twice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(declared: &[(&'static str, u64)], ssh: bool) -> Result<Ports, PortsError> {
        let declared =
            declared.iter().map(|(name, number)| Port::new(*name, *number, Protocol::Tcp));
        Ports::new(declared.collect::<Result<_, _>>().unwrap(), ssh)
    }

    #[track_caller]
    fn check(declared: &[(&'static str, u64)], ssh: bool, expected: Result<usize, &str>) {
        let found = ports(declared, ssh);
        let found = found.map(|ports| ports.iter().count()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(String::from));
    }

    #[test]
    fn lists() {
        check(&[], false, Ok(0));
        check(&[], true, Ok(1));
        check(&[("web", 8080), ("metrics", 9090)], true, Ok(3));
        check(&[("web", 2202)], false, Ok(1));
        check(&[("web", 8080), ("api", 8080)], false, Err("port 8080 is declared twice"));
        check(&[("web", 8080), ("web", 8081)], false, Err("port name `web` is used twice"));
        check(&[("shell", 2202)], true, Err("port 2202 is declared twice"));
        check(&[("ssh", 8080)], true, Err("port name `ssh` is used twice"));
        check(&[("ssh", 2202)], true, Err("port 2202 is declared twice"));
    }

    #[test]
    fn ssh_port_is_last() {
        let ports = ports(&[("web", 8080)], true).unwrap();
        assert_eq!(ports.iter().last(), Some(&Port::ssh()));
        assert!(ports.ssh());
    }

    #[test]
    fn name_suggestions() {
        for (name, expected) in [
            ("Web-UI", Some("webui")),
            ("web 1", Some("web1")),
            ("1web", None),
            ("w1b", None),
            ("", None),
        ] {
            let error = PortName::new(name).unwrap_err();
            assert_eq!(error.suggestion().as_deref(), expected, "{name}");
        }
    }
}
