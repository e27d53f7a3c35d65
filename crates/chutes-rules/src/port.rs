//! Ports that a job declares.

mod list;
mod name;
mod number;
mod protocol;
mod readiness;

use std::borrow::Cow;
use std::fmt;

pub use self::list::{Ports, PortsError};
pub use self::name::{PortName, PortNameError};
pub use self::number::{PortNumber, PortNumberError};
pub use self::protocol::{Protocol, UnknownProtocol};
pub use self::readiness::{ReadinessPath, ReadinessPathError};

/// One port of a job: name, number, protocol, and for HTTP perhaps its readiness path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    name: PortName,
    number: PortNumber,
    protocol: Protocol,
    /// Only with HTTP.
    ready: Option<ReadinessPath>,
}

impl Port {
    /// Checks name and number.
    ///
    /// ```
    /// use chutes::contract::{Port, Protocol};
    ///
    /// let web = Port::new("web", 8080, Protocol::Http)?;
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
        Ok(Self { name, number, protocol, ready: None })
    }

    /// The same port of an image, which may listen on any number from 1 to 65535.
    ///
    /// ```
    /// use chutes::contract::{Port, Protocol};
    ///
    /// let web = Port::for_image("web", 80, Protocol::Http)?;
    /// assert_eq!(web.number().get(), 80);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_image(
        name: impl Into<Cow<'static, str>>,
        number: u64,
        protocol: Protocol,
    ) -> Result<Self, PortError> {
        let (name, number) = (PortName::new(name)?, PortNumber::for_image(number)?);
        Ok(Self { name, number, protocol, ready: None })
    }

    /// Sets the path at which the job answers when the port is ready. It has a meaning for HTTP only: a port
    /// of another protocol stays as it is. [`with_ready`](Self::with_ready) refuses one.
    ///
    /// ```
    /// use chutes::contract::{Port, Protocol, ReadinessPath};
    ///
    /// let web = Port::new("web", 8080, Protocol::Http)?.ready_at(ReadinessPath::new("/health")?);
    /// assert_eq!(web.ready().map(ReadinessPath::as_str), Some("/health"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ready_at(mut self, path: ReadinessPath) -> Self {
        if self.protocol == Protocol::Http {
            self.ready = Some(path);
        }
        self
    }

    /// Sets and checks the path at which the job answers when the port is ready; the port must be an HTTP port.
    ///
    /// ```
    /// use chutes::contract::{Port, Protocol};
    ///
    /// assert!(Port::new("web", 8080, Protocol::Http)?.with_ready("/health").is_ok());
    /// assert!(Port::new("db", 8081, Protocol::Tcp)?.with_ready("/health").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_ready(self, path: impl Into<Cow<'static, str>>) -> Result<Self, PortError> {
        let path = ReadinessPath::new(path)?;
        if self.protocol != Protocol::Http {
            return Err(PortError::ReadyWithoutHttp);
        }
        Ok(self.ready_at(path))
    }

    /// The port that `ssh = true` adds: `ssh`, 2202, TCP.
    #[must_use]
    pub const fn ssh() -> Self {
        let name = PortName::SSH;
        Self { name, number: PortNumber::SSH, protocol: Protocol::Tcp, ready: None }
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

    /// The path at which the job answers when the port is ready; `None` when it is ready as soon as it is open.
    #[must_use]
    pub fn ready(&self) -> Option<&ReadinessPath> {
        self.ready.as_ref()
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
/// use chutes::contract::{Port, PortError, Protocol};
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
    /// The readiness path breaks the rule for such paths.
    Ready(ReadinessPathError),
    /// There is a readiness path, and the port does not speak HTTP.
    ReadyWithoutHttp,
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

impl From<ReadinessPathError> for PortError {
    fn from(error: ReadinessPathError) -> Self {
        Self::Ready(error)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Number(error) => error.fmt(f),
            Self::Ready(error) => error.fmt(f),
            Self::ReadyWithoutHttp => f.write_str("only an HTTP port has a readiness path"),
        }
    }
}

impl std::error::Error for PortError {}

/// Why two ports cannot belong to one job.
///
/// ```
/// use chutes::contract::{Port, Protocol};
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
mod tests;
