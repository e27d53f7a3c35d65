//! User code under supervision: run to its end, or asked to stop, or stopped by force.
//!
//! The code runs as a task of its own, so that a limit or a cancel reaches it even when it never
//! yields: the supervisor goes on without it.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::cancel::{CancelHandle, Urgency};
use super::panic::{CatchPanic, CaughtPanic};
use crate::definition::BoxFuture;

/// How long a task that is aborted may take to notice. One that takes longer never yields.
const ABORT_TIME: Duration = Duration::from_millis(500);

/// How long a shutdown hook may take even if the job has less grace: a run without grace still wants
/// its files closed.
const SHORTEST_LAST_TIME: Duration = Duration::from_secs(5);

/// How a piece of user code ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// By itself.
    Finished(Result<T, CaughtPanic>),
    /// Because it was asked to.
    Stopped(Stop<T>),
}

/// A piece of user code that was asked to stop.
#[derive(Debug)]
pub(crate) struct Stop<T> {
    /// Why.
    pub(crate) reason: StopReason,
    /// Whether it had been started at all.
    pub(crate) started: bool,
    /// What it still had to say, when it came to its end within its grace.
    pub(crate) said: Option<Result<T, CaughtPanic>>,
    /// Whether it does not even yield, so that its thread had to be left behind.
    pub(crate) abandoned: bool,
}

/// Why a piece of user code was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Somebody cancelled the run.
    Cancelled,
    /// The limit was reached.
    TimeLimit,
}

/// What user code may and how it hears of the end.
pub(crate) struct Supervision<'a> {
    /// Where the code runs.
    pub(crate) runtime: &'a Handle,
    /// Cancels the run from outside.
    pub(crate) cancel: &'a CancelHandle,
    /// Tells the code.
    pub(crate) token: &'a CancellationToken,
    /// When the phase began that the limit is for.
    pub(crate) begin: Instant,
    /// The limit of the phase; `None` is without limit.
    pub(crate) limit: Option<Duration>,
    /// How long it may go on after it was told.
    pub(crate) grace: Duration,
}

impl Supervision<'_> {
    /// Runs the code. `on_stop` is called when it is asked to stop.
    ///
    /// Code that has ended wins over a cancel and over the limit that come at the same time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        code: BoxFuture<T>,
        on_stop: impl FnOnce(StopReason),
    ) -> Ended<T> {
        if self.cancel.urgency() >= Urgency::Graceful {
            self.token.cancel();
            let (reason, started) = (StopReason::Cancelled, false);
            return Ended::Stopped(Stop { reason, started, said: None, abandoned: false });
        }
        let mut task = self.runtime.spawn(CatchPanic::new(code));
        let reason = tokio::select! {
            biased;
            joined = &mut task => return Ended::Finished(flatten(joined)),
            () = self.cancel.reached(Urgency::Graceful) => StopReason::Cancelled,
            () = self.limit_reached() => StopReason::TimeLimit,
        };
        self.token.cancel();
        on_stop(reason);
        let said = tokio::select! {
            biased;
            joined = &mut task => Some(flatten(joined)),
            () = self.cancel.reached(Urgency::Now) => None,
            () = sleep(self.grace) => None,
        };
        let abandoned = said.is_none() && !abort(task).await;
        Ended::Stopped(Stop { reason, started: true, said, abandoned })
    }

    /// Runs code that comes after a cancel, too, for at most the grace, but not less than
    /// [`SHORTEST_LAST_TIME`], unless the end is urgent. `None` when it had to be stopped.
    pub(crate) async fn run_last<T: Send + 'static>(
        &self,
        code: BoxFuture<T>,
    ) -> Option<Result<T, CaughtPanic>> {
        let mut task = self.runtime.spawn(CatchPanic::new(code));
        let said = tokio::select! {
            biased;
            joined = &mut task => Some(flatten(joined)),
            () = self.cancel.reached(Urgency::Now) => None,
            () = sleep(self.grace.max(SHORTEST_LAST_TIME)) => None,
        };
        if said.is_none() {
            abort(task).await;
        }
        said
    }

    /// When the limit is reached; `None` if there is none, or if it is out of sight.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.limit.and_then(|limit| self.begin.checked_add(limit))
    }

    /// Waits for the limit, perhaps for ever.
    pub(crate) async fn limit_reached(&self) {
        match self.deadline() {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}

/// Stops a task at its next `.await`. Returns whether it has one.
async fn abort<T>(task: JoinHandle<T>) -> bool {
    task.abort();
    timeout(ABORT_TIME, task).await.is_ok()
}

fn flatten<T>(
    joined: Result<Result<T, CaughtPanic>, tokio::task::JoinError>,
) -> Result<T, CaughtPanic> {
    joined.unwrap_or_else(|error| {
        let message = format!("its task ended early: {error}");
        Err(CaughtPanic { message, location: None })
    })
}
