//! The number of a port.

use std::fmt;

use crate::rule;

/// A port number that a job may open: 2202, or 8002 to 65535, as in the Chutes decorator. An image may open
/// any other, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortNumber(u16);

impl PortNumber {
    /// The port of SSH, 2202.
    pub const SSH: Self = Self(rule::SSH_PORT);

    /// Checks a number.
    ///
    /// ```
    /// assert_eq!(chutes::contract::PortNumber::new(8080)?.get(), 8080);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(number: u64) -> Result<Self, PortNumberError> {
        if !rule::is_port_number(number) {
            return Err(PortNumberError { number });
        }
        #[expect(clippy::cast_possible_truncation, reason = "the rule allows at most 65535")]
        Ok(Self(number as u16))
    }

    /// Checks the number of a port of an image: 1 to 65535.
    pub const fn for_image(number: u64) -> Result<Self, PortNumberError> {
        if number == 0 || number > u16::MAX as u64 {
            return Err(PortNumberError { number });
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 65535")]
        Ok(Self(number as u16))
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u64> for PortNumber {
    type Error = PortNumberError;

    fn try_from(number: u64) -> Result<Self, PortNumberError> {
        Self::for_image(number)
    }
}

impl From<PortNumber> for u16 {
    fn from(number: PortNumber) -> Self {
        number.0
    }
}

/// A number that is not a [`PortNumber`].
///
/// ```
/// let error = chutes::contract::PortNumber::new(80).unwrap_err();
/// assert_eq!(error.to_string(), "port 80 is out of range");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortNumberError {
    /// The number.
    pub number: u64,
}

impl fmt::Display for PortNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is out of range", self.number)
    }
}

impl std::error::Error for PortNumberError {}
