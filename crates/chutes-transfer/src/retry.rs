//! Attempts at one transfer: made again when that may help, and given up when there is no more time.

mod notice;
mod ongoing;
mod state;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use backon::ExponentialBuilder;
use tokio::time::{Instant, sleep};

pub use self::notice::{Retry, RetryNotices};
pub use self::ongoing::{OngoingTransfer, OngoingTransfers};
use self::state::RetryState;
use crate::error::TransferError;

/// How often something is attempted, and how long is waited.
///
/// ```
/// use std::time::Duration;
///
/// use chutes_transfer::RetryPolicy;
///
/// // Without chance: every delay is the longest.
/// let policy = RetryPolicy { random: || 1.0, ..RetryPolicy::default() };
/// assert_eq!(policy.stall, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// The longest delays between attempts, and how many there are. An attempt after a wait that the server
    /// asked for is not one of these, as long as a deadline bounds them.
    pub delays: ExponentialBuilder,
    /// The longest time until the next attempt, however long the server asks the client to wait.
    pub longest_retry_after: Duration,
    /// An attempt that moves no byte for this long is dropped.
    pub stall: Duration,
    /// How long the answer may take after the last byte was sent. These bytes may still be in buffers
    /// of this machine, and some services store the whole file before they answer, so it is longer.
    pub answer: Duration,
    /// What part of a delay is waited, 0 to 1, so that not all transfers wait for the same moment.
    pub random: fn() -> f64,
}

/// What an error says when the deadline would be reached before another attempt.
pub const NO_TIME_LEFT: &str = "there is no time left to try again";

/// What comes of all attempts, later.
pub type Attempts<'a, T> = Pin<Box<dyn Future<Output = Result<T, TransferError>> + Send + 'a>>;

/// One thing that is attempted until it succeeds, no other attempt makes sense, or it is stopped.
pub trait Transfer {
    /// What a successful attempt returns.
    type Output;

    /// Makes one attempt. If it is stopped meanwhile, it ends with [`TransferError::stopped`].
    fn attempt(&mut self) -> impl Future<Output = Result<Self::Output, TransferError>> + Send;

    /// Whether the last attempt got further than all before. Then attempts are counted anew.
    fn has_advanced(&mut self) -> bool {
        false
    }

    /// Called when an attempt has failed and another will be made.
    fn retrying(&mut self, retry: Retry<'_>) {
        let _ = retry;
    }

    /// When there must be no more attempts.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Waits, perhaps for ever, until the transfer is stopped. Only called between two attempts.
    fn stopped(&mut self) -> impl Future<Output = TransferError> + Send {
        std::future::pending()
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            delays: ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(500))
                .with_factor(2.0)
                .with_max_delay(Duration::from_mins(1))
                .with_max_times(11),
            longest_retry_after: Duration::from_mins(10),
            stall: Duration::from_mins(1),
            answer: Duration::from_mins(5),
            random,
        }
    }
}

/// The standard library seeds each hasher anew, which is random enough for a delay.
fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

impl RetryPolicy {
    /// How long the server wants the client to wait, as far as that is followed.
    #[must_use]
    pub fn asked(&self, error: &TransferError) -> Duration {
        error.retry_after.unwrap_or_default().min(self.longest_retry_after)
    }

    /// Makes attempts until one succeeds or no other makes sense.
    ///
    /// # Errors
    ///
    /// The error of the last attempt, with the number of attempts if there were several.
    pub fn retry<'a, T>(&'a self, transfer: &'a mut T) -> Attempts<'a, T::Output>
    where
        T: Transfer<Output: Send> + Send,
    {
        // In a box, because the compiler does not see that it is `Send` from outside of a generic
        // function (rust-lang/rust#100013).
        Box::pin(async move {
            let mut state = RetryState::new(self);
            loop {
                let error = match transfer.attempt().await {
                    Ok(output) => return Ok(output),
                    Err(error) => error,
                };
                let has_advanced = transfer.has_advanced();
                let wait = state.wait(&error, has_advanced, transfer.deadline())?;
                transfer.retrying(Retry { error: &error, attempts: state.attempts, wait });
                tokio::select! {
                    biased;
                    error = transfer.stopped() => return Err(state.stopped(error)),
                    () = sleep(wait) => {}
                }
            }
        })
    }
}
