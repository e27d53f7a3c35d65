//! The id of a run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Escaped, hex};

/// The id of one run: 16 bytes, shown as a UUID. The runtime makes them as UUIDv7, so that ids sort
/// by the time at which the runs were made.
///
/// ```
/// use chutes::run::RunId;
///
/// let id: RunId = "0198c0de-89ab-7def-8001-0203040506ff".parse()?;
/// assert_eq!(id.to_string(), "0198c0de-89ab-7def-8001-0203040506ff");
/// assert_eq!(id.short(), "040506ff");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId([u8; 16]);

impl RunId {
    /// An id of these bytes, most significant first.
    ///
    /// ```
    /// use chutes::run::RunId;
    ///
    /// let id = RunId::from_bytes([7; 16]);
    /// assert_eq!(id.as_bytes(), &[7; 16]);
    /// assert_eq!(id.to_string(), "07070707-0707-0707-0707-070707070707");
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The last eight hexadecimal digits: short, and random in a UUIDv7.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.split_off(text.len() - 8)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in
            [&self.0[..4], &self.0[4..6], &self.0[6..8], &self.0[8..10], &self.0[10..]]
                .into_iter()
                .enumerate()
        {
            if at > 0 {
                f.write_str("-")?;
            }
            hex::write(group, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a UUID of any version, with its four hyphens, in lowercase or uppercase.
impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let is_hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let in_place =
            text.chars().enumerate().all(|(at, character)| is_hyphen(at) == (character == '-'));
        let digits = text.chars().filter(|character| *character != '-');
        let bytes = if in_place { hex::read(digits) } else { None };
        bytes.map(Self).ok_or_else(|| RunIdError { text: text.into() })
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

impl schemars::JsonSchema for RunId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uuid" })
    }
}

/// A text that is not a [`RunId`].
///
/// ```
/// let error = "run-7".parse::<chutes::run::RunId>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid run id `run-7`: expected a UUID");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunIdError {
    /// The text.
    pub text: String,
}

impl fmt::Display for RunIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid run id `{}`: expected a UUID", Escaped(&self.text))
    }
}

impl std::error::Error for RunIdError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shown() {
        let id = RunId::from_bytes([
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 0xff,
        ]);
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0001-0203040506ff");
        assert_eq!(id.short(), "040506ff");
    }

    #[test]
    fn broken() {
        for text in [
            "",
            "01234567-89ab-cdef-0001-0203040506f",
            "01234567-89ab-cdef-0001-0203040506fff",
            "0123456789abcdef00010203040506ff",
            "01234567+89ab-cdef-0001-0203040506ff",
            "01234567-89ab-cdef-0001-0203040506fg",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn read_back(bytes: [u8; 16]) {
            let id = RunId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<RunId>();
        }
    }
}
