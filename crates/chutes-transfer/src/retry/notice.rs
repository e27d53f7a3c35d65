//! What is said of attempts that are made again.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chutes_core::HumanDuration;
use tokio::time::Instant;

use crate::error::TransferError;

/// The shortest time between two notices of one subject.
const INTERVAL: Duration = Duration::from_secs(10);

/// An attempt that has failed, and after which another will be made. Shown as its error, with the number of
/// attempts so far and the time until the next one.
#[derive(Clone, Copy, Debug)]
pub struct Retry<'a> {
    /// Why the attempt failed.
    pub error: &'a TransferError,
    /// How many attempts there were since the last one that got further than all before.
    pub attempts: usize,
    /// How long is waited before the next one.
    pub wait: Duration,
}

impl fmt::Display for Retry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parts of a second say nothing to people.
        let wait = HumanDuration(Duration::from_secs(self.wait.as_secs().max(1)));
        let Self { error, attempts, .. } = self;
        write!(f, "{error}; attempt {attempts} failed, the next one is in {wait}")
    }
}

/// A number of attempts in words: `after 2 attempts`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempted(pub(super) usize);

impl fmt::Display for Attempted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "after {} attempt{plural}", self.0)
    }
}

/// Lets a notice about something that is tried again pass now and then: when many files fail for one reason,
/// or one fails again and again, it is said once in ten seconds.
#[derive(Debug, Default)]
pub struct RetryNotices {
    last: Mutex<Option<Instant>>,
}

impl RetryNotices {
    /// Whether a notice is due now. If it is, the next one is due in ten seconds.
    pub fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}
