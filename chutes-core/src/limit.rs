//! Time limits: the one that a job declares, and those of one run.

use std::fmt;
use std::time::Duration;

use crate::rule;

/// The time limit that a job declares: 30 seconds to 24 hours, as in the Chutes decorator. In JSON a
/// whole number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u64", into = "u64"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TimeLimit {
    seconds: u64,
}

impl TimeLimit {
    /// Checks a number of seconds: 30 to 86,400.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chutes_core::{TimeLimit, parse_duration};
    ///
    /// const LIMIT: Result<TimeLimit, chutes_core::TimeLimitError> = TimeLimit::from_seconds(3_600);
    /// assert_eq!(LIMIT?.duration(), Duration::from_secs(3_600));
    /// assert_eq!(TimeLimit::from_seconds(parse_duration("2h")?)?.seconds(), 7_200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn from_seconds(seconds: u64) -> Result<Self, TimeLimitError> {
        if rule::is_timeout_seconds(seconds) {
            Ok(Self { seconds })
        } else {
            Err(TimeLimitError { seconds })
        }
    }

    /// The limit in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.seconds
    }

    /// The limit as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl TryFrom<u64> for TimeLimit {
    type Error = TimeLimitError;

    fn try_from(seconds: u64) -> Result<Self, TimeLimitError> {
        Self::from_seconds(seconds)
    }
}

impl From<TimeLimit> for u64 {
    fn from(limit: TimeLimit) -> Self {
        limit.seconds
    }
}

/// A number of seconds that is not a [`TimeLimit`].
///
/// ```
/// let error = chutes_core::TimeLimit::from_seconds(10).unwrap_err();
/// assert_eq!(error.to_string(), "timeout of 10 seconds is out of range");
/// assert!(!error.is_too_long());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimitError {
    /// The number of seconds.
    pub seconds: u64,
}

impl TimeLimitError {
    /// Whether the limit is too long, rather than too short.
    #[must_use]
    pub const fn is_too_long(self) -> bool {
        self.seconds > rule::MAX_TIMEOUT_SECONDS
    }
}

impl fmt::Display for TimeLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.seconds == 1 { "second" } else { "seconds" };
        write!(f, "timeout of {} {unit} is out of range", self.seconds)
    }
}

impl std::error::Error for TimeLimitError {}

/// The limits of one run, one per phase. Time that a phase leaves unused does not carry over. In JSON
/// each is a number of seconds, `null` is no limit.
///
/// Limits for download, execution and upload come from the ComputeHorde job SDK; the defaults are
/// our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// Until the job can start: all startup hooks, or pulling the image. Default 10 minutes.
    #[cfg_attr(feature = "serde", serde(with = "crate::duration::seconds"))]
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub start: Duration,
    /// For all input volumes. Default 1 hour.
    #[cfg_attr(feature = "serde", serde(with = "crate::duration::seconds"))]
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub download: Duration,
    /// For the job itself. Default none.
    #[cfg_attr(feature = "serde", serde(with = "crate::duration::seconds::optional"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub execute: Option<Duration>,
    /// For shutdown hooks, and for collecting and delivering the outputs. Default 24 hours.
    #[cfg_attr(feature = "serde", serde(with = "crate::duration::seconds"))]
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub upload: Duration,
    /// Until a job that streams accepts its first connection. Default 5 seconds, as in the ComputeHorde
    /// job SDK.
    #[cfg_attr(feature = "serde", serde(with = "crate::duration::seconds"))]
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub streaming_start: Duration,
    /// Between telling the job to stop and stopping it by force. Default 30 seconds.
    #[cfg_attr(feature = "serde", serde(with = "crate::duration::seconds"))]
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub grace: Duration,
}

impl Limits {
    /// The default limits with the execution limit that a job declares.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chutes_core::{Limits, TimeLimit};
    ///
    /// let limits = Limits::for_timeout(Some(TimeLimit::from_seconds(60)?));
    /// assert_eq!(limits.execute, Some(Duration::from_secs(60)));
    /// assert_eq!(limits.grace, Duration::from_secs(30));
    /// assert_eq!(Limits::for_timeout(None), Limits::default());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn for_timeout(timeout: Option<TimeLimit>) -> Self {
        Self { execute: timeout.map(TimeLimit::duration), ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_mins(10),
            download: Duration::from_hours(1),
            execute: None,
            upload: Duration::from_hours(24),
            streaming_start: Duration::from_secs(5),
            grace: Duration::from_secs(30),
        }
    }
}
