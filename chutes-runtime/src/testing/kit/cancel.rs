//! When a run of a test is asked to stop.

use std::convert::Infallible;
use std::time::Duration;

use chutes_supervisor::CancelHandle;
use tokio::time::{Instant, sleep_until};

use super::run::TestRun;

/// The times and the progress at which the run is asked to stop.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CancelPlan {
    after: Option<Duration>,
    now_after: Option<Duration>,
    pub(super) at_progress: Option<f64>,
}

impl CancelPlan {
    /// The time of the last planned request.
    pub(super) fn end(self) -> Duration {
        self.after.max(self.now_after).unwrap_or_default()
    }

    /// Makes each request at its time, then waits for ever.
    pub(super) async fn carry_out(self, begin: Instant, handle: &CancelHandle) -> Infallible {
        let gently = async {
            wait(begin, self.after).await;
            handle.cancel();
            std::future::pending::<Infallible>().await
        };
        let now = async {
            wait(begin, self.now_after).await;
            handle.cancel();
            handle.cancel_harder();
            std::future::pending::<Infallible>().await
        };
        tokio::join!(gently, now).0
    }
}

/// Waits for this time after `begin`; for ever if there is none or if it is too far away for the clock.
async fn wait(begin: Instant, after: Option<Duration>) {
    match after.and_then(|after| begin.checked_add(after)) {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl TestRun {
    /// Asks the run to stop this long after it began, as Ctrl-C does: the job has its grace.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use std::time::Duration;
    /// use chutes::EndStatus;
    ///
    /// #[chutes::job]
    /// async fn kit_listens(ctx: JobContext) -> Result<&'static str, JobError> {
    ///     ctx.cancellation().cancelled().await;
    ///     Ok("what I have")
    /// }
    ///
    /// let finished = TestRun::of("kit_listens").cancel_after(Duration::from_secs(3_600)).run();
    /// assert_eq!(finished.status(), EndStatus::Cancelled);
    /// assert_eq!(finished.result::<String>(), "what I have");
    /// ```
    pub fn cancel_after(mut self, time: Duration) -> Self {
        self.cancel.after = Some(time);
        self
    }

    /// Asks the run to stop at once this long after it began, as a second Ctrl-C does: no grace, no
    /// shutdown hooks. Outputs are collected and delivered all the same.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use std::time::Duration;
    ///
    /// #[chutes::job]
    /// async fn kit_takes_its_time(ctx: JobContext) -> Result<(), JobError> {
    ///     std::future::pending().await
    /// }
    ///
    /// let finished = TestRun::of("kit_takes_its_time")
    ///     .cancel_after(Duration::from_secs(60))
    ///     .cancel_now_after(Duration::from_secs(61))
    ///     .run();
    /// assert_eq!(finished.took(), Duration::from_secs(61));
    /// ```
    pub fn cancel_now_after(mut self, time: Duration) -> Self {
        self.cancel.now_after = Some(time);
        self
    }

    /// Asks the run to stop, with grace, when the job reports at least this much progress, 0 to 1. The request
    /// takes effect while the job waits at an `.await`, so a job that never waits does not receive it.
    ///
    /// # Panics
    ///
    /// When it is not a number from 0 to 1.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_counts(ctx: JobContext) -> Result<u32, JobError> {
    ///     let mut done = 0;
    ///     while done < 10 && !ctx.is_cancelled() {
    ///         done += 1;
    ///         ctx.progress(f64::from(done) / 10.0, format!("{done} of 10"));
    ///         tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    ///     }
    ///     Ok(done)
    /// }
    ///
    /// assert_eq!(TestRun::of("kit_counts").cancel_at_progress(0.5).run().result::<u32>(), 5);
    /// ```
    #[track_caller]
    pub fn cancel_at_progress(mut self, fraction: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "progress goes from 0 to 1, so it is never {fraction}"
        );
        self.cancel.at_progress = Some(fraction);
        self
    }
}
