//! The name of a job.

use std::borrow::Cow;
use std::fmt;

use crate::{Escaped, rule};

/// The name of a job: 1 to 200 bytes that are safe as one path component and on a command line. The
/// rule is [`rule::is_job_name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(Cow<'static, str>);

impl JobName {
    /// Checks a name. A `&'static str` is kept without a copy.
    ///
    /// ```
    /// use chutes::contract::JobName;
    ///
    /// assert_eq!(JobName::new("train")?.as_str(), "train");
    /// assert_eq!(JobName::try_from(String::from("train"))?, JobName::new("train")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, JobNameError> {
        let name = name.into();
        if rule::is_job_name(&name) {
            Ok(Self(name))
        } else {
            Err(JobNameError { name: name.into_owned() })
        }
    }

    /// The same for constants, where a wrong name does not compile.
    ///
    /// # Panics
    ///
    /// When this is not a job name.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(rule::is_job_name(name), "invalid job name");
        Self(Cow::Borrowed(name))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for JobName {
    type Error = JobNameError;

    fn try_from(name: String) -> Result<Self, JobNameError> {
        Self::new(name)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.0.into_owned()
    }
}

/// A text that is not a [`JobName`].
///
/// ```
/// let error = chutes::contract::JobName::new("../train").unwrap_err();
/// assert_eq!(error.to_string(), "invalid job name `../train`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobNameError {
    /// The text.
    pub name: String,
}

impl fmt::Display for JobNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid job name `{}`", Escaped(&self.name))
    }
}

impl std::error::Error for JobNameError {}
