//! The time limits of one run.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TimeLimit;

/// The limits of one run, one per phase. Time that a phase leaves unused does not carry over. In JSON
/// each is a number of seconds, `null` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Until the job can start: all startup hooks, or pulling the image. Default 10 minutes.
    #[serde(with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub start: Duration,
    /// For all input volumes. Default 1 hour.
    #[serde(with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub download: Duration,
    /// For the job itself. Default none.
    #[serde(with = "crate::seconds::optional")]
    #[schemars(with = "Option<f64>")]
    pub execute: Option<Duration>,
    /// For shutdown hooks, and for collecting and delivering the outputs. Default 24 hours.
    #[serde(with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub upload: Duration,
    /// Until a job that streams accepts its first connection. Default 5 seconds.
    #[serde(with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub streaming_start: Duration,
    /// Between asking the job to stop and stopping it by force. Default 30 seconds.
    #[serde(with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub grace: Duration,
}

impl Limits {
    /// The default limits with the execution limit that a job declares.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chutes::contract::TimeLimit;
    /// use chutes::spec::Limits;
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
