//! The state machine of a run.
//!
//! ```text
//! sent -> received -> accepted -> executor_ready -> [volumes_ready] -> [streaming_ready]
//!      -> execution_done -> completed
//! any of these -> failed | timed_out | cancelled | platform_failed
//! any before executor_ready -> rejected
//! ```

mod machine;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::machine::{IllegalTransition, Route, StatusMachine};

/// The state of a run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The run exists; it has not been checked.
    Sent,
    /// A supervisor has it.
    Received,
    /// The spec and the data are in order.
    Accepted,
    /// Everything that user code needs is ready; the startup hooks have run.
    ExecutorReady,
    /// All input volumes are in place. Only for runs that have volumes.
    VolumesReady,
    /// The job accepts streaming connections. Only for runs that stream.
    StreamingReady,
    /// User code has ended, in whatever way; its outputs are collected and delivered next.
    ExecutionDone,
    /// End: the job returned a value and all of its outputs were delivered.
    Completed,
    /// End: the run was refused before anything started.
    Rejected,
    /// End: the job failed, or its outputs could not be delivered.
    Failed,
    /// End: a phase reached its time limit.
    TimedOut,
    /// End: the run was asked to stop, and had not finished by then.
    Cancelled,
    /// End: the platform failed, not the job. Version 0.1.0 wrote `horde_failed`.
    #[serde(alias = "horde_failed")]
    PlatformFailed,
}

impl Status {
    /// All states, the end states last.
    pub const ALL: [Self; 13] = [
        Self::Sent,
        Self::Received,
        Self::Accepted,
        Self::ExecutorReady,
        Self::VolumesReady,
        Self::StreamingReady,
        Self::ExecutionDone,
        Self::Completed,
        Self::Rejected,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::PlatformFailed,
    ];

    /// The name in JSON, for instance `executor_ready`.
    ///
    /// ```
    /// use chutes::event::Status;
    ///
    /// assert_eq!(Status::ExecutorReady.as_str(), "executor_ready");
    /// assert_eq!(Status::ExecutorReady.label(), "Executor Ready");
    /// assert_eq!(Status::ALL.into_iter().find(|it| it.as_str() == "sent"), Some(Status::Sent));
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::ExecutorReady => "executor_ready",
            Self::VolumesReady => "volumes_ready",
            Self::StreamingReady => "streaming_ready",
            Self::ExecutionDone => "execution_done",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::PlatformFailed => "platform_failed",
        }
    }

    /// The label for people, for instance `Executor Ready`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sent => "Sent",
            Self::Received => "Received",
            Self::Accepted => "Accepted",
            Self::ExecutorReady => "Executor Ready",
            Self::VolumesReady => "Volumes Ready",
            Self::StreamingReady => "Streaming Ready",
            Self::ExecutionDone => "Execution Done",
            Self::Completed => "Completed",
            Self::Rejected => "Rejected",
            Self::Failed => "Failed",
            Self::TimedOut => "Timed Out",
            Self::Cancelled => "Cancelled",
            Self::PlatformFailed => "Platform Failed",
        }
    }

    /// The end state that this is, or `None` while the run is in progress.
    ///
    /// ```
    /// use chutes::EndStatus;
    /// use chutes::event::Status;
    ///
    /// assert_eq!(Status::TimedOut.end(), Some(EndStatus::TimedOut));
    /// assert!(Status::TimedOut.is_failed() && !Status::TimedOut.is_successful());
    /// assert_eq!(Status::ExecutionDone.end(), None);
    /// assert!(Status::ExecutionDone.is_in_progress());
    /// ```
    #[must_use]
    pub const fn end(self) -> Option<EndStatus> {
        match self {
            Self::Completed => Some(EndStatus::Completed),
            Self::Rejected => Some(EndStatus::Rejected),
            Self::Failed => Some(EndStatus::Failed),
            Self::TimedOut => Some(EndStatus::TimedOut),
            Self::Cancelled => Some(EndStatus::Cancelled),
            Self::PlatformFailed => Some(EndStatus::PlatformFailed),
            _ => None,
        }
    }

    /// Whether the run has not ended yet.
    #[must_use]
    pub const fn is_in_progress(self) -> bool {
        self.end().is_none()
    }

    /// Whether the run has ended as it should: `completed`.
    #[must_use]
    pub const fn is_successful(self) -> bool {
        matches!(self, Self::Completed)
    }

    /// Whether the job accepts streaming connections now: `streaming_ready`, and no later state.
    #[must_use]
    pub const fn is_streaming_ready(self) -> bool {
        matches!(self, Self::StreamingReady)
    }

    /// Whether the run has ended in any other way than `completed`.
    #[must_use]
    pub const fn is_failed(self) -> bool {
        !self.is_in_progress() && !self.is_successful()
    }

    /// The step that follows this one when nothing goes wrong, on this route.
    ///
    /// ```
    /// use chutes::event::{Route, Status};
    ///
    /// let with_volumes = Route { volumes: true, streaming: false };
    /// let ready = Status::ExecutorReady;
    /// assert_eq!(ready.next_step(with_volumes), Some(Status::VolumesReady));
    /// assert_eq!(ready.next_step(Route::default()), Some(Status::ExecutionDone));
    /// assert_eq!(Status::Failed.next_step(Route::default()), None);
    /// ```
    #[must_use]
    pub const fn next_step(self, route: Route) -> Option<Self> {
        match self {
            Self::Sent => Some(Self::Received),
            Self::Received => Some(Self::Accepted),
            Self::Accepted => Some(Self::ExecutorReady),
            Self::ExecutorReady if route.volumes => Some(Self::VolumesReady),
            Self::ExecutorReady | Self::VolumesReady if route.streaming => {
                Some(Self::StreamingReady)
            }
            Self::ExecutorReady | Self::VolumesReady | Self::StreamingReady => {
                Some(Self::ExecutionDone)
            }
            Self::ExecutionDone => Some(Self::Completed),
            _ => None,
        }
    }

    /// Whether a run in this state may go to `next`: to the next step of its route, or to an end
    /// state other than `completed`. `rejected` is possible only before `executor_ready`.
    ///
    /// ```
    /// use chutes::event::{Route, Status};
    ///
    /// let route = Route::default();
    /// assert!(Status::Accepted.may_become(Status::Rejected, route));
    /// assert!(!Status::ExecutorReady.may_become(Status::Rejected, route));
    /// assert!(Status::ExecutorReady.may_become(Status::Cancelled, route));
    /// ```
    #[must_use]
    pub fn may_become(self, next: Self, route: Route) -> bool {
        match next {
            Self::Failed | Self::TimedOut | Self::Cancelled | Self::PlatformFailed => {
                self.is_in_progress()
            }
            Self::Rejected => matches!(self, Self::Sent | Self::Received | Self::Accepted),
            step => self.next_step(route) == Some(step),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A state in which a run has ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are those of `Status`")]
pub enum EndStatus {
    Completed,
    Rejected,
    Failed,
    TimedOut,
    Cancelled,
    #[serde(alias = "horde_failed")]
    PlatformFailed,
}

/// ```
/// use chutes::EndStatus;
/// use chutes::event::Status;
///
/// assert_eq!(Status::from(EndStatus::Cancelled), Status::Cancelled);
/// assert_eq!(EndStatus::PlatformFailed.to_string(), "platform_failed");
/// ```
impl From<EndStatus> for Status {
    fn from(end: EndStatus) -> Self {
        match end {
            EndStatus::Completed => Self::Completed,
            EndStatus::Rejected => Self::Rejected,
            EndStatus::Failed => Self::Failed,
            EndStatus::TimedOut => Self::TimedOut,
            EndStatus::Cancelled => Self::Cancelled,
            EndStatus::PlatformFailed => Self::PlatformFailed,
        }
    }
}

impl fmt::Display for EndStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Status::from(*self).fmt(f)
    }
}
