//! The name of a port.

use std::borrow::Cow;
use std::fmt;

use crate::{Escaped, rule};

/// The name of a port: lowercase ASCII letters, then optional digits, as Chutes documents it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortName(Cow<'static, str>);

impl PortName {
    /// The name of the port that `ssh = true` adds.
    pub const SSH: Self = Self(Cow::Borrowed(rule::SSH_PORT_NAME));

    /// Checks a name.
    ///
    /// ```
    /// assert_eq!(chutes::contract::PortName::new("metrics1")?.as_str(), "metrics1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, PortNameError> {
        let name = name.into();
        if rule::is_port_name(&name) {
            Ok(Self(name))
        } else {
            Err(PortNameError { name: name.into_owned() })
        }
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for PortName {
    type Error = PortNameError;

    fn try_from(name: String) -> Result<Self, PortNameError> {
        Self::new(name)
    }
}

impl From<PortName> for String {
    fn from(name: PortName) -> Self {
        name.0.into_owned()
    }
}

/// A text that is not a [`PortName`].
///
/// ```
/// let error = chutes::contract::PortName::new("Web-UI").unwrap_err();
/// assert_eq!(error.to_string(), "invalid port name `Web-UI`");
/// assert_eq!(error.suggestion().as_deref(), Some("webui"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNameError {
    /// The text.
    pub name: String,
}

impl PortNameError {
    /// The name without the characters that are wrong in it, when what is left is a port name. A
    /// name with letters of other alphabets would be maimed, so there is no suggestion for it.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        if !self.name.is_ascii() {
            return None;
        }
        let kept = self.name.chars().filter(char::is_ascii_alphanumeric);
        let cleaned: String = kept.map(|c| c.to_ascii_lowercase()).collect();
        rule::is_port_name(&cleaned).then_some(cleaned)
    }
}

impl fmt::Display for PortNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid port name `{}`", Escaped(&self.name))
    }
}

impl std::error::Error for PortNameError {}
