//! User code under control: run to its end, or asked to stop, or stopped by force.
//!
//! A worker runs the code, so that a limit or a cancel reaches it even when it never yields: the
//! supervisor goes on without it.

use std::time::Duration;

use chutes_core::{FailureKind, HumanDuration, Phase};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::cancel::{CancelHandle, Urgency};
use super::worker::{Force, Hooks, Step, StepExit, Worker};

/// How long a shutdown hook may take even if the job has less grace: a run without grace still wants
/// its files closed.
const SHORTEST_LAST_TIME: Duration = Duration::from_secs(5);

/// How a piece of user code ended.
#[derive(Debug)]
pub(crate) enum StepOutcome {
    /// By itself.
    ByItself(StepExit),
    /// Because it was asked to.
    Stopped(Stop),
}

impl StepOutcome {
    /// Whether it was asked to stop because the run was cancelled.
    pub(crate) const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Stopped(Stop { reason: StopReason::Cancelled, .. }))
    }
}

/// A piece of user code that was asked to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Why.
    pub reason: StopReason,
    /// Whether it was started, and how it ended then.
    pub end: StopExit,
}

/// How a piece of user code ended that was asked to stop.
#[derive(Debug)]
pub(crate) enum StopExit {
    /// It was not even started.
    NotStarted,
    /// It came to an end within its grace.
    ByItself(StepExit),
    /// It did not.
    Forced(Force),
}

/// Why a piece of user code was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The run was cancelled.
    Cancelled,
    /// The limit was reached.
    TimeLimit,
}

impl StopReason {
    /// The kind of failure of a run that was asked to stop for this reason.
    pub(crate) const fn kind(self) -> FailureKind {
        match self {
            Self::Cancelled => FailureKind::Cancelled,
            Self::TimeLimit => FailureKind::TimeLimit,
        }
    }

    /// The reason in messages. `phase` is the one in which it came, and `limit` that of the phase, if it is known.
    pub(crate) fn in_words(self, phase: Phase, limit: Option<Duration>) -> String {
        match self {
            Self::Cancelled => "the run was cancelled".to_owned(),
            Self::TimeLimit => {
                let limit = limit.map(|limit| format!(" of {}", HumanDuration(limit)));
                format!("the {phase} phase reached its limit{}", limit.unwrap_or_default())
            }
        }
    }
}

/// The phase that user code is in, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhaseDeadline {
    pub phase: Phase,
    /// When the phase began.
    pub begin: Instant,
    /// The limit of the phase; `None` is without limit.
    pub limit: Option<Duration>,
}

impl PhaseDeadline {
    /// Those of a phase that begins now.
    pub(crate) fn of(phase: Phase, limit: Option<Duration>) -> Self {
        Self { phase, begin: Instant::now(), limit }
    }

    /// Sets a longer limit. Returns whether it is one.
    pub(crate) fn extend(&mut self, limit: Duration) -> bool {
        let is_longer = self.limit.is_some_and(|present| present < limit);
        if is_longer {
            self.limit = Some(limit);
        }
        is_longer
    }

    /// When the limit is reached; `None` if there is none, or if it is out of sight.
    fn instant(&self) -> Option<Instant> {
        self.limit.and_then(|limit| self.begin.checked_add(limit))
    }
}

/// What user code may and when it has to end.
pub(crate) struct StepControl<'a> {
    /// Cancels the run from outside.
    pub cancel: &'a CancelHandle,
    /// It changes when user code goes on into the next phase, or is given more time.
    deadline: watch::Receiver<PhaseDeadline>,
    /// How long it may go on after it was asked to stop.
    pub grace: Duration,
    /// The names of hooks, for messages.
    hooks: &'a Hooks,
}

impl<'a> StepControl<'a> {
    /// Control with a deadline that does not change.
    pub(crate) fn new(
        cancel: &'a CancelHandle,
        deadline: PhaseDeadline,
        grace: Duration,
        hooks: &'a Hooks,
    ) -> Self {
        Self::following(cancel, watch::channel(deadline).1, grace, hooks)
    }

    /// Control with a deadline that the caller may change.
    pub(crate) fn following(
        cancel: &'a CancelHandle,
        deadline: watch::Receiver<PhaseDeadline>,
        grace: Duration,
        hooks: &'a Hooks,
    ) -> Self {
        Self { cancel, deadline, grace, hooks }
    }

    /// The name of a step in messages.
    pub(crate) fn name(&self, step: Step) -> String {
        step.name(self.hooks)
    }

    /// The deadline at this moment.
    pub(crate) fn deadline(&self) -> PhaseDeadline {
        *self.deadline.borrow()
    }

    /// Runs a step. `on_stop` is called when it is asked to stop.
    ///
    /// Code that has ended wins over a cancel and over the limit that come at the same time.
    pub(crate) async fn run(
        &self,
        worker: &mut dyn Worker,
        step: Step,
        on_stop: impl FnOnce(StopReason),
    ) -> StepOutcome {
        if self.cancel.urgency() >= Urgency::Graceful {
            worker.cancel().await;
            let (reason, end) = (StopReason::Cancelled, StopExit::NotStarted);
            return StepOutcome::Stopped(Stop { reason, end });
        }
        worker.begin(step).await;
        let reason = tokio::select! {
            biased;
            end = worker.ended() => return StepOutcome::ByItself(end),
            () = self.cancel.reached(Urgency::Graceful) => StopReason::Cancelled,
            () = self.limit_reached() => StopReason::TimeLimit,
        };
        worker.cancel().await;
        on_stop(reason);
        let said = tokio::select! {
            biased;
            end = worker.ended() => Some(end),
            () = self.cancel.reached(Urgency::Now) => None,
            () = sleep(self.grace) => None,
        };
        let end = match said {
            Some(end) => StopExit::ByItself(end),
            None => StopExit::Forced(self.force(worker).await),
        };
        StepOutcome::Stopped(Stop { reason, end })
    }

    /// Runs a step that comes after a cancel, too, for at most the grace, but not less than
    /// [`SHORTEST_LAST_TIME`], unless the end is urgent. An error says how it had to be ended.
    pub(crate) async fn run_last(
        &self,
        worker: &mut dyn Worker,
        step: Step,
    ) -> Result<StepExit, Force> {
        worker.begin(step).await;
        let said = tokio::select! {
            biased;
            end = worker.ended() => Some(end),
            () = self.cancel.reached(Urgency::Now) => None,
            () = sleep(self.grace.max(SHORTEST_LAST_TIME)) => None,
        };
        match said {
            Some(end) => Ok(end),
            None => Err(self.force(worker).await),
        }
    }

    async fn force(&self, worker: &mut dyn Worker) -> Force {
        worker.force(self.cancel.urgency() >= Urgency::Now).await
    }

    /// Waits for the limit, perhaps for ever.
    async fn limit_reached(&self) {
        let mut deadlines = self.deadline.clone();
        loop {
            let deadline = deadlines.borrow_and_update().instant();
            let reached = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let changed = async {
                if deadlines.changed().await.is_err() {
                    // The caller cannot change it any more.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = reached => return,
            }
        }
    }
}
