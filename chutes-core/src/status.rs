//! The state machine of a run.
//!
//! ```text
//! sent -> received -> accepted -> executor_ready -> [volumes_ready] -> [streaming_ready]
//!      -> execution_done -> completed
//! any of these -> failed | timed_out | cancelled | horde_failed
//! any before executor_ready -> rejected
//! ```
//!
//! The names are those of the ComputeHorde job SDK, with `timed_out` and `cancelled` added.

use std::fmt;

/// The state of a run. The names are those of the ComputeHorde job SDK, with `timed_out` and
/// `cancelled` added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Status {
    /// The run exists; nobody has looked at it.
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
    /// End: somebody asked the run to stop, and it had not finished by then.
    Cancelled,
    /// End: the platform failed, not the job.
    HordeFailed,
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
        Self::HordeFailed,
    ];

    /// The name in JSON, for instance `executor_ready`.
    ///
    /// ```
    /// use chutes_core::Status;
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
            Self::HordeFailed => "horde_failed",
        }
    }

    /// The label for people, for instance `Executor Ready`, as the ComputeHorde document gives it.
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
            Self::HordeFailed => "Horde Failed",
        }
    }

    /// The end state that this is, or `None` while the run is in progress.
    ///
    /// ```
    /// use chutes_core::{EndStatus, Status};
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
            Self::HordeFailed => Some(EndStatus::HordeFailed),
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
    /// use chutes_core::{Route, Status};
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
    /// use chutes_core::{Route, Status};
    ///
    /// let route = Route::default();
    /// assert!(Status::Accepted.may_become(Status::Rejected, route));
    /// assert!(!Status::ExecutorReady.may_become(Status::Rejected, route));
    /// assert!(Status::ExecutorReady.may_become(Status::Cancelled, route));
    /// ```
    #[must_use]
    pub fn may_become(self, next: Self, route: Route) -> bool {
        match next {
            Self::Failed | Self::TimedOut | Self::Cancelled | Self::HordeFailed => {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the variants are those of `Status`")]
pub enum EndStatus {
    Completed,
    Rejected,
    Failed,
    TimedOut,
    Cancelled,
    HordeFailed,
}

/// ```
/// use chutes_core::{EndStatus, Status};
///
/// assert_eq!(Status::from(EndStatus::Cancelled), Status::Cancelled);
/// assert_eq!(EndStatus::HordeFailed.to_string(), "horde_failed");
/// ```
impl From<EndStatus> for Status {
    fn from(end: EndStatus) -> Self {
        match end {
            EndStatus::Completed => Self::Completed,
            EndStatus::Rejected => Self::Rejected,
            EndStatus::Failed => Self::Failed,
            EndStatus::TimedOut => Self::TimedOut,
            EndStatus::Cancelled => Self::Cancelled,
            EndStatus::HordeFailed => Self::HordeFailed,
        }
    }
}

impl fmt::Display for EndStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Status::from(*self).fmt(f)
    }
}

/// Which of the optional steps a run has to take. Default none.
///
/// ```
/// use chutes_core::{Route, Status, StatusMachine};
///
/// let mut machine = StatusMachine::new(Route { streaming: true, ..Route::default() });
/// for step in [Status::Received, Status::Accepted, Status::ExecutorReady] {
///     machine.advance(step)?;
/// }
/// assert!(machine.advance(Status::ExecutionDone).is_err());
/// machine.advance(Status::StreamingReady)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The run has input volumes: `volumes_ready` is required.
    pub volumes: bool,
    /// The run streams: `streaming_ready` is required.
    pub streaming: bool,
}

/// The status of one run. The first end state wins and never changes.
///
/// ```
/// use chutes_core::{Route, Status, StatusMachine};
///
/// let mut machine = StatusMachine::new(Route::default());
/// machine.advance(Status::Received)?;
/// machine.advance(Status::Cancelled)?;
/// assert!(machine.advance(Status::Completed).is_err());
/// # Ok::<(), chutes_core::IllegalTransition>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusMachine {
    current: Status,
    route: Route,
}

impl StatusMachine {
    /// A run that has just been sent.
    #[must_use]
    pub const fn new(route: Route) -> Self {
        Self { current: Status::Sent, route }
    }

    /// A run that is known to have come this far.
    ///
    /// ```
    /// use chutes_core::{Route, Status, StatusMachine};
    ///
    /// let mut machine = StatusMachine::at(Status::ExecutionDone, Route::default());
    /// machine.advance(Status::Completed)?;
    /// # Ok::<(), chutes_core::IllegalTransition>(())
    /// ```
    #[must_use]
    pub const fn at(current: Status, route: Route) -> Self {
        Self { current, route }
    }

    /// The status now.
    #[must_use]
    pub const fn current(&self) -> Status {
        self.current
    }

    /// Whether it may go to `next` now.
    #[must_use]
    pub fn may_advance(&self, next: Status) -> bool {
        self.current.may_become(next, self.route)
    }

    /// Goes to `next`, if that is legal from here; else nothing changes. The rule is
    /// [`Status::may_become`].
    ///
    /// ```
    /// use chutes_core::{Route, Status, StatusMachine};
    ///
    /// let mut machine = StatusMachine::new(Route::default());
    /// assert!(machine.advance(Status::Accepted).is_err());
    /// assert_eq!(machine.current(), Status::Sent);
    /// machine.advance(Status::Received)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&mut self, next: Status) -> Result<(), IllegalTransition> {
        if !self.may_advance(next) {
            return Err(IllegalTransition { from: self.current, to: next });
        }
        self.current = next;
        Ok(())
    }
}

/// A change of status that the state machine does not have.
///
/// ```
/// use chutes_core::{Route, Status, StatusMachine};
///
/// let error = StatusMachine::new(Route::default()).advance(Status::Completed).unwrap_err();
/// assert_eq!(error.to_string(), "a run that is sent cannot become completed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The status of the run.
    pub from: Status,
    /// The status that it cannot go to.
    pub to: Status,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a run that is {} cannot become {}", self.from, self.to)
    }
}

impl std::error::Error for IllegalTransition {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn required_steps(route: Route) -> Vec<Status> {
        let optional =
            [(Status::VolumesReady, route.volumes), (Status::StreamingReady, route.streaming)];
        let mut steps = vec![Status::Received, Status::Accepted, Status::ExecutorReady];
        steps.extend(optional.into_iter().filter_map(|(step, on)| on.then_some(step)));
        steps.extend([Status::ExecutionDone, Status::Completed]);
        steps
    }

    fn any_route() -> impl Strategy<Value = Route> {
        (any::<bool>(), any::<bool>()).prop_map(|(volumes, streaming)| Route { volumes, streaming })
    }

    fn any_status() -> impl Strategy<Value = Status> {
        prop::sample::select(Status::ALL.to_vec())
    }

    #[test]
    fn questions() {
        for status in Status::ALL {
            let is_end = matches!(
                status.as_str(),
                "completed" | "rejected" | "failed" | "timed_out" | "cancelled" | "horde_failed"
            );
            assert_eq!(status.is_in_progress(), !is_end, "{status}");
            assert_eq!(status.is_failed(), is_end && status != Status::Completed, "{status}");
            assert_eq!(status.is_successful(), status == Status::Completed, "{status}");
            assert_eq!(status.is_streaming_ready(), status == Status::StreamingReady, "{status}");
            assert_eq!(status.end().map(Status::from), is_end.then_some(status), "{status}");
            assert_eq!(status.label().to_lowercase().replace(' ', "_"), status.as_str());
        }
    }

    #[test]
    fn rejection_is_for_runs_that_have_not_started() {
        for status in Status::ALL {
            let expected = matches!(status, Status::Sent | Status::Received | Status::Accepted);
            assert_eq!(status.may_become(Status::Rejected, Route::default()), expected, "{status}");
        }
    }

    proptest! {
        #[test]
        fn the_whole_route_is_walked(route in any_route()) {
            let mut machine = StatusMachine::new(route);
            for step in required_steps(route) {
                prop_assert_eq!(machine.advance(step), Ok(()));
            }
            prop_assert_eq!(machine.current(), Status::Completed);
        }

        #[test]
        fn no_event_leaves_an_end_state(
            route in any_route(),
            events in prop::collection::vec(any_status(), 0..40),
        ) {
            let mut machine = StatusMachine::new(route);
            let mut end = None;
            for event in events {
                let _ = machine.advance(event);
                if let Some(end) = end {
                    prop_assert_eq!(machine.current(), end);
                } else if !machine.current().is_in_progress() {
                    end = Some(machine.current());
                }
            }
        }

        #[test]
        fn no_required_step_is_skipped(
            route in any_route(),
            events in prop::collection::vec(any_status(), 0..400),
        ) {
            let mut machine = StatusMachine::new(route);
            let mut seen = Vec::new();
            for event in events {
                // Ends are left out here: they would hide most of the walks.
                if !event.is_failed() && machine.advance(event).is_ok() {
                    seen.push(event);
                }
            }
            prop_assert_eq!(&seen[..], &required_steps(route)[..seen.len()]);
        }
    }
}
