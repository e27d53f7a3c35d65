//! One thing that a sink is asked for: tried again when that may help, dropped when it stalls, given
//! up when there is no more time.

use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use chutes_core::HumanDuration;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::DeliveryJob;
use crate::sink::{Sending, Sink, SinkError, SourceFile};

/// How often something is tried, and how long is waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The longest delays between attempts, and how many there are.
    pub(crate) delays: ExponentialBuilder,
    /// The longest time that a sink may ask us to wait.
    pub(crate) longest_retry_after: Duration,
    /// An attempt that sends no byte for this long is dropped.
    pub(crate) stall: Duration,
    /// How long the answer may take after the last byte. Bytes that are sent may still be in buffers of
    /// this machine, and some services store the whole file before they answer, so it is longer.
    pub(crate) answer: Duration,
    /// What part of a delay is waited, 0 to 1, so that not all wait for the same moment.
    pub(crate) random: fn() -> f64,
}

/// What a failure says when the limit of the upload phase was reached.
pub(crate) const TIME_IS_OVER: &str = "the time for delivery was over before this was done";

/// What a failure says when that limit would be reached before another attempt.
pub(crate) const NO_TIME_LEFT: &str = "there is no time left to try again";

/// How often an attempt is looked at in the time in which it has to move.
const LOOKS: u32 = 6;

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
    /// How long is waited before another attempt, when the server may have asked for a time.
    pub(crate) fn wait(&self, delay: Duration, retry_after: Option<Duration>) -> Duration {
        let asked = retry_after.unwrap_or_default().min(self.longest_retry_after);
        delay.mul_f64((self.random)()).max(asked)
    }

    /// Sends a file, once.
    pub(crate) async fn send_once(
        &self,
        sink: &dyn Sink,
        file: &SourceFile,
    ) -> Result<(), SinkError> {
        // Each attempt counts for itself: what another sends is no sign of life of this one.
        let file = SourceFile { sent: Arc::new(AtomicU64::new(0)), ..file.clone() };
        let moved = || file.sent.load(Ordering::Relaxed);
        self.watch(Movement { moved: &moved, total: file.bytes }, sink.send(&file)).await
    }

    /// Drops an attempt that stalls. A panic is a fault of chutes; it must not take other files with
    /// it, so it is an error like others.
    pub(super) async fn watch<T>(
        &self,
        movement: Movement<'_>,
        attempt: Sending<'_, T>,
    ) -> Result<T, SinkError> {
        let mut attempt = AssertUnwindSafe(attempt).catch_unwind();
        let (mut seen, mut since) = ((movement.moved)(), Instant::now());
        loop {
            let is_sent = seen >= movement.total;
            let patience = if is_sent { self.answer } else { self.stall };
            tokio::select! {
                biased;
                result = &mut attempt => return result.unwrap_or_else(|_| Err(panicked())),
                () = sleep_until((Instant::now() + patience / LOOKS).min(since + patience)) => {}
            }
            let moved = (movement.moved)();
            if moved != seen {
                (seen, since) = (moved, Instant::now());
            } else if since.elapsed() >= patience {
                let patience = HumanDuration(patience);
                return Err(SinkError::passing(if is_sent {
                    format!("no answer for {patience}")
                } else {
                    format!("no byte was sent for {patience}")
                }));
            }
        }
    }
}

/// Something that is counted in bytes while it is done.
pub(super) struct Movement<'a> {
    pub(super) moved: &'a (dyn Fn() -> u64 + Send + Sync),
    /// The number after which only the answer is missing.
    pub(super) total: u64,
}

impl DeliveryJob {
    /// Makes attempts until one succeeds or no other makes sense.
    pub(super) async fn attempt<'a, T: Send + 'a>(
        &self,
        attempt: impl Fn() -> Sending<'a, T>,
    ) -> Result<T, SinkError> {
        let mut delays = self.policy.delays.build();
        let mut attempts = 0;
        let mut last = None;
        loop {
            attempts += 1;
            let error = tokio::select! {
                biased;
                why = self.given_up() => return Err(given_up(why, last)),
                result = attempt() => match result {
                    Ok(value) => return Ok(value),
                    Err(error) if !error.may_pass => return Err(error),
                    Err(error) => error,
                },
            };
            let Some(delay) = delays.next() else {
                return Err(SinkError::lasting(match attempts {
                    1 => error.message,
                    _ => format!("{} (after {attempts} attempts)", error.message),
                }));
            };
            let wait = self.policy.wait(delay, error.retry_after);
            if self.deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
                let message = format!("{}; {NO_TIME_LEFT}", error.message);
                return Err(SinkError::lasting(message));
            }
            last = Some(error);
            tokio::select! {
                biased;
                why = self.given_up() => return Err(given_up(why, last)),
                () = sleep(wait) => {}
            }
        }
    }

    /// Waits for the time to give up, perhaps for ever, and says why.
    async fn given_up(&self) -> &'static str {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => "delivery was stopped before this was done",
            () = deadline => TIME_IS_OVER,
        }
    }
}

fn given_up(why: &str, last: Option<SinkError>) -> SinkError {
    SinkError::lasting(match last {
        Some(error) => format!("{why}; the last attempt: {}", error.message),
        None => why.to_owned(),
    })
}

fn panicked() -> SinkError {
    SinkError::lasting("the code of the sink panicked, which is a fault of chutes")
}
