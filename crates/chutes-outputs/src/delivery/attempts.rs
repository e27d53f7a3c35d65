//! The attempts at one thing that a sink is asked for, until the delivery is stopped or its time is over.

use std::future::pending;

use chutes_transfer::{Retry, Transfer, TransferCause, TransferError};
use tokio::time::{Instant, sleep_until};

use super::DeliveryJob;
use super::health::SinkHealth;
use crate::{Sending, Sink, SourceFile};

/// The message of a failure at the deadline.
pub const TIME_IS_OVER: &str = "the time for delivery was over before this was done";

const STOPPED: &str = "delivery was stopped before this was done";

const HURRIED: &str = "it is not tried again, because the run was asked to stop";

const SINK_GIVEN_UP: &str = "it is not tried again, because the sink takes no files";

/// What a sink is asked for.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) number: usize,
    pub(super) sink: &'a dyn Sink,
    /// The file that is sent; `None` when the sink is prepared or completed.
    pub(super) file: Option<&'a SourceFile>,
    pub(super) health: &'a SinkHealth,
}

/// One thing that a sink is asked for, several times.
struct Attempts<'a, F> {
    job: &'a DeliveryJob,
    request: Request<'a>,
    attempt: F,
    /// The most that the sink has kept of the file after an attempt, in bytes.
    kept: u64,
}

impl DeliveryJob {
    /// Makes attempts until one succeeds or no other makes sense.
    pub(super) async fn attempt<'a, T: Send + 'a>(
        &'a self,
        request: Request<'a>,
        attempt: impl FnMut() -> Sending<'a, T> + Send,
    ) -> Result<T, TransferError> {
        self.policy.retry(&mut Attempts { job: self, request, attempt, kept: 0 }).await
    }

    /// Lets the sink remove what it keeps of a file that is not sent again, if there is time.
    pub(super) async fn abandon(&self, sink: &dyn Sink, file: &SourceFile) {
        tokio::select! {
            biased;
            _ = self.given_up() => {}
            _ = sink.abandon(file) => {}
        }
    }

    /// Waits for the time to give up, perhaps for ever.
    pub(super) async fn given_up(&self) -> TransferError {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => TransferError::stopped(STOPPED),
            () = deadline => TransferError::stopped(TIME_IS_OVER),
        }
    }
}

impl<'a, T: Send + 'a, F: FnMut() -> Sending<'a, T> + Send> Transfer for Attempts<'a, F> {
    type Output = T;

    async fn attempt(&mut self) -> Result<T, TransferError> {
        tokio::select! {
            biased;
            error = self.job.given_up() => Err(error),
            result = (self.attempt)() => result,
        }
    }

    fn has_advanced(&mut self) -> bool {
        let kept = self.request.file.map_or(0, |file| self.request.sink.kept(file));
        let has_advanced = kept > self.kept;
        self.kept = self.kept.max(kept);
        has_advanced
    }

    fn retrying(&mut self, retry: Retry<'_>) {
        // When it is asked to hurry, there is no other attempt.
        if !self.job.hurry.is_cancelled() {
            (self.job.retrying)(self.request.number, self.request.file, retry);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.job.deadline
    }

    async fn stopped(&mut self) -> TransferError {
        let used_up = |message| {
            let cause = TransferCause::AttemptsUsedUp;
            TransferError { cause, ..TransferError::permanent(message) }
        };
        tokio::select! {
            biased;
            error = self.job.given_up() => error,
            () = self.job.hurry.cancelled() => used_up(HURRIED),
            () = self.request.health.given_up() => used_up(SINK_GIVEN_UP),
        }
    }
}
