//! The phases of a run and their measured times.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A phase of a run. Each has a limit and a measured time of its own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Decoding the data and running the startup hooks.
    Start,
    /// Fetching the input volumes.
    Download,
    /// Until a job that streams serves requests.
    StreamingStart,
    /// The job itself, grace after a limit or a cancel included.
    Execute,
    /// Shutdown hooks, then collecting and delivering the outputs.
    Upload,
}

impl Phase {
    /// The name in messages and in JSON.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chutes::outcome::{Phase, PhaseReport};
    /// use chutes::text::HumanDuration;
    ///
    /// let elapsed = Duration::from_secs(90);
    /// let report = PhaseReport { phase: Phase::Execute, elapsed, limit: None };
    /// let line = format!("{}: {}", report.phase.as_str(), HumanDuration(report.elapsed));
    /// assert_eq!(line, "execute: 1m 30s");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Download => "download",
            Self::StreamingStart => "streaming_start",
            Self::Execute => "execute",
            Self::Upload => "upload",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long one phase of a run took, and how long it was allowed to take. In JSON the times are
/// numbers of seconds, `seconds` and `limit_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseReport {
    /// Which phase.
    #[serde(rename = "name")]
    pub phase: Phase,
    /// The time it took.
    #[serde(rename = "seconds", with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub elapsed: Duration,
    /// The limit; `None` is no limit.
    #[serde(rename = "limit_seconds", with = "crate::seconds::optional")]
    #[schemars(with = "Option<f64>")]
    pub limit: Option<Duration>,
}
