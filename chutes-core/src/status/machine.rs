//! The status of one run, and its legal changes.

use std::fmt;

use super::Status;

/// Which of the optional steps a run has to take. Default none.
///
/// ```
/// use chutes::event::{Route, Status, StatusMachine};
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
/// use chutes::event::{Route, Status, StatusMachine};
///
/// let mut machine = StatusMachine::new(Route::default());
/// machine.advance(Status::Received)?;
/// machine.advance(Status::Cancelled)?;
/// assert!(machine.advance(Status::Completed).is_err());
/// # Ok::<(), chutes::event::IllegalTransition>(())
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
    /// use chutes::event::{Route, Status, StatusMachine};
    ///
    /// let mut machine = StatusMachine::at(Status::ExecutionDone, Route::default());
    /// machine.advance(Status::Completed)?;
    /// # Ok::<(), chutes::event::IllegalTransition>(())
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
    /// use chutes::event::{Route, Status, StatusMachine};
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
/// use chutes::event::{Route, Status, StatusMachine};
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
