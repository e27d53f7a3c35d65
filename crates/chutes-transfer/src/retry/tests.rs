//! When the next attempt is made, and when there is none, on the virtual clock.

use std::collections::VecDeque;

use super::*;
use crate::TransferCause;

/// Ends its attempts as the script says, and then succeeds.
#[derive(Default)]
struct Scripted {
    errors: VecDeque<TransferError>,
    advances: bool,
    is_stopped: bool,
    deadline: Option<Instant>,
    attempts: Vec<Instant>,
    notices: Vec<String>,
}

impl Transfer for Scripted {
    type Output = ();

    async fn attempt(&mut self) -> Result<(), TransferError> {
        self.attempts.push(Instant::now());
        self.errors.pop_front().map_or(Ok(()), Err)
    }

    fn has_advanced(&mut self) -> bool {
        self.advances
    }

    fn retrying(&mut self, retry: Retry<'_>) {
        self.notices.push(retry.to_string());
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    async fn stopped(&mut self) -> TransferError {
        if self.is_stopped {
            return TransferError::stopped("stopped");
        }
        std::future::pending().await
    }
}

fn script(errors: impl IntoIterator<Item = TransferError>) -> Scripted {
    Scripted { errors: errors.into_iter().collect(), ..Scripted::default() }
}

fn transient(retry_after: Option<u64>) -> TransferError {
    let retry_after = retry_after.map(Duration::from_secs);
    TransferError { retry_after, ..TransferError::transient("503") }
}

fn unknown_host() -> TransferError {
    TransferError { cause: TransferCause::UnknownHost, ..transient(None) }
}

/// Makes the attempts. Returns what came of them, and the milliseconds that were waited between two.
async fn retry(transfer: &mut Scripted) -> (Result<(), TransferError>, Vec<u128>) {
    let policy = RetryPolicy { random: || 1.0, ..RetryPolicy::default() };
    let result = policy.retry(transfer).await;
    let pairs = transfer.attempts.windows(2);
    (result, pairs.map(|pair| pair[1].duration_since(pair[0]).as_millis()).collect())
}

#[track_caller]
fn check_message(result: Result<(), TransferError>, expected: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.message.as_str(), error.is_transient), (expected, false));
}

#[tokio::test(start_paused = true)]
async fn waits_longer_and_longer_and_gives_up() {
    let (result, waited) = retry(&mut script(vec![transient(None); 20])).await;
    let expected = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000];
    assert_eq!(waited, expected);
    check_message(result, "503 (after 12 attempts)");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_host_is_given_up_soon() {
    let begin = Instant::now();
    let (result, _) = retry(&mut script(vec![unknown_host(); 20])).await;
    check_message(result, "503 (after 4 attempts)");
    assert_eq!(begin.elapsed(), Duration::from_millis(3500));
    // What else has failed before is not held against it.
    let errors = std::iter::repeat_n(transient(None), 5).chain([unknown_host()]);
    let (result, waited) = retry(&mut script(errors)).await;
    assert_eq!((result, waited.len()), (Ok(()), 6));
}

#[tokio::test(start_paused = true)]
async fn progress_begins_the_count_anew() {
    let mut transfer = Scripted { advances: true, ..script(vec![transient(None); 101]) };
    let (result, waited) = retry(&mut transfer).await;
    assert_eq!((result, waited), (Ok(()), vec![500; 101]));
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_the_server_asks_within_reason() {
    for (asked, expected) in [(0, 500), (7, 7000), (1_000_000, 600_000)] {
        let (result, waited) = retry(&mut script([transient(Some(asked))])).await;
        assert_eq!((result, waited), (Ok(()), vec![expected]));
    }
}

/// As long as a deadline bounds them: these waits do not use up the attempts, and the others do.
#[tokio::test(start_paused = true)]
async fn a_wait_that_the_server_asks_for_is_no_attempt() {
    let deadline = Some(Instant::now() + Duration::from_hours(2));
    let mut transfer = Scripted { deadline, ..script(vec![transient(Some(240)); 20]) };
    let (result, waited) = retry(&mut transfer).await;
    assert_eq!((result, waited), (Ok(()), vec![240_000; 20]));
    let begin = Instant::now();
    let mut transfer = Scripted { deadline, ..script(vec![transient(Some(240)); 99]) };
    let (result, waited) = retry(&mut transfer).await;
    let expected = "503 (after 10 attempts); the server asks for a wait of 4m; there is no time left to try again";
    check_message(result, expected);
    assert_eq!((waited.len(), begin.elapsed()), (9, Duration::from_mins(9 * 4)));
}

/// One that asks for short waits for ever is not asked without a pause.
#[tokio::test(start_paused = true)]
async fn short_waits_that_the_server_asks_for_become_longer() {
    let deadline = Some(Instant::now() + Duration::from_hours(1));
    let mut transfer = Scripted { deadline, ..script(vec![transient(Some(3)); 14]) };
    let (_, waited) = retry(&mut transfer).await;
    assert_eq!(waited[..5], [3000, 3000, 3000, 4000, 8000]);
    assert_eq!(waited[8..], [60_000; 6]);
    // A server that asks for no time at all has not asked.
    let mut transfer = Scripted { deadline, ..script(vec![transient(Some(0)); 20]) };
    check_message(retry(&mut transfer).await.0, "503 (after 12 attempts)");
}

#[tokio::test(start_paused = true)]
async fn permanent_errors_and_stopped_transfers_are_not_retried() {
    let begin = Instant::now();
    let permanent = TransferError::permanent("404");
    let mut transfer = Scripted { advances: true, ..script([permanent.clone()]) };
    assert_eq!(retry(&mut transfer).await.0, Err(permanent));
    let mut transfer = Scripted { is_stopped: true, ..script([transient(Some(9))]) };
    check_message(retry(&mut transfer).await.0, "stopped; the last attempt: 503");
    let mut transfer = script([TransferError::stopped("stopped")]);
    check_message(retry(&mut transfer).await.0, "stopped");
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stop_says_how_many_attempts_there_were() {
    let errors = [transient(None), transient(None), TransferError::stopped("stopped")];
    let (result, _) = retry(&mut script(errors)).await;
    check_message(result, "stopped; the last attempt: 503 (after 2 attempts)");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_would_come_too_late_is_not_made() {
    let deadline = Some(Instant::now() + Duration::from_millis(1500));
    let mut transfer = Scripted { deadline, ..script(vec![transient(None); 9]) };
    let (result, waited) = retry(&mut transfer).await;
    assert_eq!(waited, [500]);
    check_message(result, "503 (after 2 attempts); there is no time left to try again");
    let mut transfer = Scripted { deadline, ..script([transient(Some(9))]) };
    let (result, _) = retry(&mut transfer).await;
    let expected = "503 (after 1 attempt); the server asks for a wait of 9s; there is no time left to try again";
    check_message(result, expected);
}

#[tokio::test(start_paused = true)]
async fn each_retry_is_announced() {
    let mut transfer =
        script([transient(None), transient(Some(90)), TransferError::permanent("404")]);
    retry(&mut transfer).await.0.unwrap_err();
    let expected = [
        "503; attempt 1 failed, the next one is in 1s",
        "503; attempt 2 failed, the next one is in 1m 30s",
    ];
    assert_eq!(transfer.notices, expected);
}

#[tokio::test(start_paused = true)]
async fn notices_are_rare() {
    let notices = RetryNotices::default();
    let mut said = Vec::new();
    for second in 0..30 {
        said.extend(notices.is_due().then_some(second));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(said, [0, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_are_used_up_say_so() {
    let error = retry(&mut script(vec![transient(None); 20])).await.0.unwrap_err();
    assert_eq!(error.cause, TransferCause::AttemptsUsedUp);
}

#[test]
fn delays_are_random_parts_of_the_longest() {
    for _ in 0..1000 {
        assert!((0.0..=1.0).contains(&random()));
    }
}
