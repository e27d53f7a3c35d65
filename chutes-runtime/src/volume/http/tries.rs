//! Whether there is another attempt, and when.

use backon::{BackoffBuilder, ExponentialBackoff};
use tokio::time::sleep;

use super::exchange::Trouble;
use crate::sink::delivery::RetryPolicy;
use crate::volume::VolumeError;
use crate::volume::halt::Halt;

/// How often a host that nobody knows is looked for again. Its name is misspelt more often than its
/// address is missing for a moment.
const MOST_LOOKUPS_AGAIN: usize = 3;

/// The attempts at one thing.
pub(super) struct Tries<'a> {
    policy: &'a RetryPolicy,
    delays: ExponentialBackoff,
    /// How many there were that did not get any further.
    in_vain: usize,
    /// How many of these were for a host that nobody knows.
    unknown_host: usize,
}

impl<'a> Tries<'a> {
    pub(super) fn new(policy: &'a RetryPolicy) -> Self {
        Self { policy, delays: policy.delays.build(), in_vain: 0, unknown_host: 0 }
    }

    /// Waits for the time of the next attempt, or returns the error that there is none. An attempt
    /// that has got further than all before it begins the count anew.
    pub(super) async fn pause(
        &mut self,
        trouble: Trouble,
        has_advanced: bool,
        halt: &Halt,
    ) -> Result<(), VolumeError> {
        let Trouble { mut error, may_pass, retry_after, is_unknown_host, .. } = trouble;
        if !may_pass {
            return Err(error);
        }
        if has_advanced {
            *self = Self::new(self.policy);
        }
        self.in_vain += 1;
        self.unknown_host += usize::from(is_unknown_host);
        let goes_on = self.unknown_host <= MOST_LOOKUPS_AGAIN;
        let Some(delay) = self.delays.next().filter(|_| goes_on) else {
            if self.in_vain > 1 {
                error.message = format!("{} (after {} attempts)", error.message, self.in_vain);
            }
            return Err(error);
        };
        halt.unless(sleep(self.policy.wait(delay, retry_after))).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy { random: || 1.0, ..RetryPolicy::default() }
    }

    fn passing(retry_after: Option<u64>) -> Trouble {
        let retry_after = retry_after.map(Duration::from_secs);
        Trouble { may_pass: true, retry_after, ..VolumeError::of_user("503").into() }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_longer_and_longer_and_gives_up() {
        let (policy, halt) = (policy(), Halt::default());
        let mut tries = Tries::new(&policy);
        let mut waited = Vec::new();
        let error = loop {
            let begin = Instant::now();
            match tries.pause(passing(None), false, &halt).await {
                Ok(()) => waited.push(begin.elapsed().as_millis()),
                Err(error) => break error,
            }
        };
        let expected =
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000];
        assert_eq!(waited, expected);
        assert_eq!(error, VolumeError::of_user("503 (after 12 attempts)"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_host_is_given_up_soon() {
        let (policy, halt) = (policy(), Halt::default());
        let unknown = || Trouble { is_unknown_host: true, ..passing(None) };
        let mut tries = Tries::new(&policy);
        let begin = Instant::now();
        for _ in 0..3 {
            tries.pause(unknown(), false, &halt).await.unwrap();
        }
        let error = tries.pause(unknown(), false, &halt).await.unwrap_err();
        assert_eq!(error, VolumeError::of_user("503 (after 4 attempts)"));
        assert_eq!(begin.elapsed(), Duration::from_millis(3500));
        // What else has failed before is not held against it.
        let mut tries = Tries::new(&policy);
        for _ in 0..5 {
            tries.pause(passing(None), false, &halt).await.unwrap();
        }
        tries.pause(unknown(), false, &halt).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn progress_begins_the_count_anew() {
        let (policy, halt) = (policy(), Halt::default());
        let mut tries = Tries::new(&policy);
        for _ in 0..100 {
            tries.pause(passing(None), true, &halt).await.unwrap();
        }
        let begin = Instant::now();
        tries.pause(passing(None), true, &halt).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_the_server_asks_within_reason() {
        let (policy, halt) = (policy(), Halt::default());
        for (asked, expected) in [(0, 500), (7, 7000), (1_000_000, 600_000)] {
            let begin = Instant::now();
            Tries::new(&policy).pause(passing(Some(asked)), false, &halt).await.unwrap();
            assert_eq!(begin.elapsed().as_millis(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_and_what_is_halted_is_not_tried_again() {
        let (policy, halt) = (policy(), Halt::default());
        let begin = Instant::now();
        let lasting = Trouble::from(VolumeError::of_user("404"));
        let error = Tries::new(&policy).pause(lasting, true, &halt).await.unwrap_err();
        assert_eq!(error, VolumeError::of_user("404"));
        halt.set();
        assert!(Tries::new(&policy).pause(passing(Some(9)), true, &halt).await.is_err());
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
