//! The names of labels.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The name of a label of a run: 1 to 63 ASCII letters, digits, `-`, `_` and `.`, of which the first and
/// the last are letters or digits. Kubernetes takes such a name, and so do container engines.
///
/// ```
/// use chutes::request::LabelName;
///
/// assert_eq!(LabelName::new("cost-center.7")?.as_str(), "cost-center.7");
/// assert!(LabelName::new("-x").is_err());
/// # Ok::<(), chutes::request::LabelNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelName(String);

impl LabelName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 63;

    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, LabelNameError> {
        let name = name.into();
        let is_end = |byte: &u8| byte.is_ascii_alphanumeric();
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let bytes = name.as_bytes();
        let has_ends = bytes.first().is_some_and(is_end) && bytes.last().is_some_and(is_end);
        if has_ends && bytes.len() <= Self::MAX_BYTES && name.bytes().all(is_inner) {
            Ok(Self(name))
        } else {
            Err(LabelNameError)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A map of labels can be asked with a text.
impl Borrow<str> for LabelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabelName {
    type Err = LabelNameError;

    fn from_str(name: &str) -> Result<Self, LabelNameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for LabelName {
    type Error = LabelNameError;

    fn try_from(name: String) -> Result<Self, LabelNameError> {
        Self::new(name)
    }
}

impl From<LabelName> for String {
    fn from(name: LabelName) -> Self {
        name.0
    }
}

impl JsonSchema for LabelName {
    fn schema_name() -> Cow<'static, str> {
        "LabelName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$",
        })
    }
}

/// A text that is not a [`LabelName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a label is 1 to 63 ASCII letters, digits, `-`, `_` and `.`, and begins and ends with a \
     letter or a digit"
)]
pub struct LabelNameError;
