//! The time limit that a job declares.

use std::fmt;
use std::time::Duration;

use crate::rule;

/// The time limit that a job declares: 30 seconds to 24 hours, as in the Chutes decorator. In JSON a
/// whole number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeLimit {
    seconds: u64,
}

impl TimeLimit {
    /// Checks a number of seconds: 30 to 86,400.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chutes::contract::TimeLimit;
    /// use chutes::text::parse_duration;
    ///
    /// const LIMIT: Result<TimeLimit, chutes::contract::TimeLimitError> = TimeLimit::from_seconds(3_600);
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
/// let error = chutes::contract::TimeLimit::from_seconds(10).unwrap_err();
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
