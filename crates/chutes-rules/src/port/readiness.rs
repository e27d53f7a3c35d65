//! The path at which a job answers when a port is ready.

use std::borrow::Cow;
use std::fmt;

use crate::{Escaped, rule};

/// The path of a request that a job answers with 200 when a port of it is ready, for instance `/health`:
/// 1 to 1,024 characters of a URL's path and query. The rule is [`rule::is_readiness_path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadinessPath(Cow<'static, str>);

impl ReadinessPath {
    /// Checks a path. A `&'static str` is kept without a copy.
    ///
    /// ```
    /// use chutes::contract::ReadinessPath;
    ///
    /// assert_eq!(ReadinessPath::new("/health")?.as_str(), "/health");
    /// assert!(ReadinessPath::new("health").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(path: impl Into<Cow<'static, str>>) -> Result<Self, ReadinessPathError> {
        let path = path.into();
        if rule::is_readiness_path(&path) {
            Ok(Self(path))
        } else {
            Err(ReadinessPathError { path: path.into_owned() })
        }
    }

    /// The path itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReadinessPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for ReadinessPath {
    type Error = ReadinessPathError;

    fn try_from(path: String) -> Result<Self, ReadinessPathError> {
        Self::new(path)
    }
}

impl From<ReadinessPath> for String {
    fn from(path: ReadinessPath) -> Self {
        path.0.into_owned()
    }
}

/// A text that is not a [`ReadinessPath`].
///
/// ```
/// let error = chutes::contract::ReadinessPath::new("health").unwrap_err();
/// assert_eq!(error.to_string(), "invalid readiness path `health`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessPathError {
    /// The text.
    pub path: String,
}

impl fmt::Display for ReadinessPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid readiness path `{}`", Escaped(&self.path))
    }
}

impl std::error::Error for ReadinessPathError {}
