//! The attempts at one thing that a sink is asked for, until the delivery is stopped or its time is over.

use std::future::pending;

use chutes_transfer::{Transfer, TransferError};
use tokio::time::{Instant, sleep_until};

use super::DeliveryJob;
use crate::Sending;

/// The message of a failure at the deadline.
pub const TIME_IS_OVER: &str = "the time for delivery was over before this was done";

const STOPPED: &str = "delivery was stopped before this was done";

/// One thing that a sink is asked for.
struct Attempts<'a, F> {
    job: &'a DeliveryJob,
    attempt: F,
}

impl DeliveryJob {
    /// Makes attempts until one succeeds or no other makes sense.
    pub(super) async fn attempt<'a, T: Send + 'a>(
        &'a self,
        attempt: impl FnMut() -> Sending<'a, T> + Send,
    ) -> Result<T, TransferError> {
        self.policy.retry(&mut Attempts { job: self, attempt }).await
    }

    /// Waits for the time to give up, perhaps for ever.
    async fn given_up(&self) -> TransferError {
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

    fn deadline(&self) -> Option<Instant> {
        self.job.deadline
    }

    async fn stopped(&mut self) -> TransferError {
        self.job.given_up().await
    }
}
