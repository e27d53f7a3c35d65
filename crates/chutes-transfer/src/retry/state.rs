//! What is known of the attempts at one transfer, and what follows from it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff};
use chutes_core::HumanDuration;
use tokio::time::Instant;

use super::notice::Attempted;
use super::{NO_TIME_LEFT, RetryPolicy};
use crate::error::{TransferCause, TransferError};

/// How many more attempts there are after one that met an unknown host. Its name is misspelt more often
/// than its address is missing for a moment.
const MOST_LOOKUPS_AGAIN: usize = 3;

/// What is known of the attempts so far.
pub(super) struct RetryState<'a> {
    policy: &'a RetryPolicy,
    delays: ExponentialBackoff,
    /// The delays after answers that asked for a wait. When they are used up, the last one stays.
    asked_delays: ExponentialBackoff,
    asked_delay: Duration,
    /// How many attempts there were since the last one that got further than all before.
    pub(super) attempts: usize,
    /// How many of these met an unknown host.
    unknown_host: usize,
    last: Option<String>,
}

impl<'a> RetryState<'a> {
    pub(super) fn new(policy: &'a RetryPolicy) -> Self {
        Self {
            policy,
            delays: policy.delays.build(),
            asked_delays: policy.delays.build(),
            asked_delay: Duration::ZERO,
            attempts: 0,
            unknown_host: 0,
            last: None,
        }
    }

    /// How long to wait for the next attempt, or the error with which the transfer ends.
    pub(super) fn wait(
        &mut self,
        error: &TransferError,
        has_advanced: bool,
        deadline: Option<Instant>,
    ) -> Result<Duration, TransferError> {
        if error.cause == TransferCause::Stopped {
            return Err(self.stopped(error.clone()));
        }
        if !error.is_transient {
            return Err(error.clone());
        }
        if has_advanced {
            *self = Self::new(self.policy);
        }
        self.attempts += 1;
        self.unknown_host += usize::from(error.cause == TransferCause::UnknownHost);
        let asked = self.policy.asked(error);
        let Some(delay) = self.next_delay(!asked.is_zero() && deadline.is_some()) else {
            let (error, cause) = (error.clone(), TransferCause::AttemptsUsedUp);
            return Err(given_up(error, cause).map_message(|message| self.counted(message)));
        };
        let wait = delay.mul_f64((self.policy.random)()).max(asked);
        if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
            let error = given_up(error.clone(), TransferCause::NoTimeLeft);
            return Err(error.map_message(|message| self.no_time_left(&message, asked)));
        }
        self.last = Some(error.message.clone());
        Ok(wait)
    }

    /// The longest delay before the next attempt; `None` when there is none. A wait that the server asked for
    /// uses up nothing, but a server that asks for a short one again and again is asked more and more rarely.
    fn next_delay(&mut self, is_asked: bool) -> Option<Duration> {
        if self.unknown_host > MOST_LOOKUPS_AGAIN {
            return None;
        }
        if !is_asked {
            return self.delays.next();
        }
        self.asked_delay = self.asked_delays.next().unwrap_or(self.asked_delay);
        Some(self.asked_delay)
    }

    /// The end of a transfer that was stopped, with what the last attempt met.
    pub(super) fn stopped(&mut self, error: TransferError) -> TransferError {
        match self.last.take() {
            Some(last) => {
                let last = self.counted(last);
                error.map_message(|why| format!("{why}; the last attempt: {last}"))
            }
            None => error,
        }
    }

    /// A message with the number of attempts, and the wait that the server asked for.
    fn no_time_left(&self, message: &str, asked: Duration) -> String {
        let attempts = Attempted(self.attempts);
        let asked = if asked.is_zero() {
            String::new()
        } else {
            format!("; the server asks for a wait of {}", HumanDuration(asked))
        };
        format!("{message} ({attempts}){asked}; {NO_TIME_LEFT}")
    }

    /// A message with the number of attempts, if there were several.
    fn counted(&self, message: String) -> String {
        match self.attempts {
            0 | 1 => message,
            attempts => format!("{message} ({})", Attempted(attempts)),
        }
    }
}

/// An error after which there is no other attempt.
fn given_up(error: TransferError, cause: TransferCause) -> TransferError {
    TransferError { is_transient: false, retry_after: None, cause, ..error }
}
