//! The span that the spans of an attempt belong to.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::hex;

/// The length of the four fields of a `traceparent`, which all versions have in common.
const LENGTH: usize = 55;

/// The span of a caller, in the form of the `traceparent` header of W3C Trace Context.
///
/// It is shown and written in version `00`. Of a later version the four fields of version `00` are read,
/// as the recommendation has it.
///
/// ```
/// use chutes::request::TraceParent;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = text.parse()?;
/// assert!(parent.is_sampled());
/// assert_eq!(parent.to_string(), text);
/// # Ok::<(), chutes::request::TraceParentError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// The span of this id in the trace of this id, most significant byte first, with the flags of version
    /// `00`.
    ///
    /// ```
    /// use chutes::request::TraceParent;
    ///
    /// assert!(TraceParent::new([7; 16], [7; 8], 0).is_ok());
    /// assert!(TraceParent::new([0; 16], [7; 8], 0).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// When one of the ids has only zeros.
    pub fn new(
        trace_id: [u8; 16],
        parent_id: [u8; 8],
        flags: u8,
    ) -> Result<Self, TraceParentError> {
        if trace_id == [0; 16] || parent_id == [0; 8] {
            return Err(TraceParentError);
        }
        Ok(Self { trace_id, parent_id, flags })
    }

    /// The id of the trace, most significant byte first.
    #[must_use]
    pub const fn trace_id(&self) -> &[u8; 16] {
        &self.trace_id
    }

    /// The id of the span, most significant byte first.
    #[must_use]
    pub const fn parent_id(&self) -> &[u8; 8] {
        &self.parent_id
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller may have recorded the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        hex::write(&self.trace_id, f)?;
        f.write_str("-")?;
        hex::write(&self.parent_id, f)?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes of a field. The digits are lowercase.
fn field<const N: usize>(text: Option<&str>) -> Option<[u8; N]> {
    let text = text.filter(|text| !text.bytes().any(|byte| byte.is_ascii_uppercase()))?;
    hex::read(text.chars())
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let (known, later) = text.split_at_checked(LENGTH).ok_or(TraceParentError)?;
        let mut fields = known.split('-');
        let version = field::<1>(fields.next());
        let is_known = match version {
            Some([0]) => later.is_empty(),
            Some([255]) | None => false,
            Some(_) => later.is_empty() || later.starts_with('-'),
        };
        let (trace_id, parent_id) = (field(fields.next()), field(fields.next()));
        let flags = field::<1>(fields.next());
        match (trace_id, parent_id, flags, fields.next()) {
            (Some(trace_id), Some(parent_id), Some([flags]), None) if is_known => {
                Self::new(trace_id, parent_id, flags)
            }
            _ => Err(TraceParentError),
        }
    }
}

impl TryFrom<String> for TraceParent {
    type Error = TraceParentError;

    fn try_from(text: String) -> Result<Self, TraceParentError> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

impl JsonSchema for TraceParent {
    fn schema_name() -> Cow<'static, str> {
        "TraceParent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$",
        })
    }
}

/// A text that is not a [`TraceParent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a `traceparent` of W3C Trace Context, which is `00-`, 32 hexadecimal digits, `-`, 16 digits, `-` \
     and 2 digits, in lowercase and with ids that are not zero"
)]
pub struct TraceParentError;
