//! What could not be delivered while the job goes on, and when it is tried again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chutes_core::OutputPath;
use chutes_outputs::delivery::Retry;
use chutes_transfer::{RetryPolicy, TransferCause, TransferError};
use tokio::time::Instant;

use super::{QUIET, Signature};
use crate::deliver::Troubles;

/// The longest time between two attempts at a file, unless a server asks for more.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A file at one sink.
type Key = (usize, OutputPath);

/// What could not be delivered.
pub(super) struct Failures {
    files: HashMap<Key, Failure>,
    /// The sinks that take no more files.
    given_up: HashSet<usize>,
    troubles: Troubles,
}

/// The last attempt at a file.
struct Failure {
    /// The file as it was then.
    signature: Signature,
    attempts: usize,
    next: Next,
}

/// When a file is attempted again.
enum Next {
    At(Instant),
    /// At the end of the run, unless it changes; with the error, until it was reported.
    Last(Option<TransferError>),
}

impl Failures {
    pub(super) fn new(troubles: Troubles) -> Self {
        Self { files: HashMap::new(), given_up: HashSet::new(), troubles }
    }

    /// Whether a file may be attempted now.
    pub(super) fn permit(&mut self, key: &Key, signature: Signature) -> bool {
        if self.given_up.contains(&key.0) {
            return false;
        }
        let Some(failure) = self.files.get_mut(key) else { return true };
        match &mut failure.next {
            Next::At(time) => *time <= Instant::now(),
            Next::Last(_) if failure.signature != signature => true,
            Next::Last(error) => {
                // A file that changes while it is sent is refused for that. This one has not changed since.
                if let Some(error) = error.take() {
                    let what = format!("{error}; it is tried again at the end of the run");
                    self.troubles.report(key.0, Some(&key.1), &what);
                }
                false
            }
        }
    }

    /// Records a failed attempt, and reports that there will be another.
    pub(super) fn note(&mut self, key: Key, signature: Signature, error: TransferError) {
        if error.cause == TransferCause::Destination {
            let what = format!("{error}; its files are tried again at the end of the run");
            self.troubles.report(key.0, None, &what);
            self.given_up.insert(key.0);
            return;
        }
        let attempts = self.files.get(&key).map_or(0, |failure| failure.attempts) + 1;
        let next = if error.is_transient {
            let wait = wait(attempts, &error);
            let retry = Retry { error: &error, attempts, wait };
            self.troubles.report(key.0, Some(&key.1), &retry);
            Next::At(Instant::now() + wait)
        } else {
            Next::Last(Some(error))
        };
        self.files.insert(key, Failure { signature, attempts, next });
    }

    /// The file has arrived.
    pub(super) fn forget(&mut self, key: &Key) {
        self.files.remove(key);
    }
}

/// The time until the next attempt.
fn wait(attempts: usize, error: &TransferError) -> Duration {
    let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let own = QUIET.saturating_mul(1 << doubled).min(LONGEST_WAIT);
    own.max(RetryPolicy::default().asked(error))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chutes_core::{EventReporter, RunEvent};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failures() -> (Failures, Arc<Mutex<Vec<String>>>) {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&said);
        let events = EventReporter::new(move |event| {
            let RunEvent::Warning { message } = event else { panic!("{event:?}") };
            kept.lock().unwrap().push(message);
        });
        let names = ["one", "two"].map(str::to_owned).into_iter().enumerate();
        (Failures::new(Troubles::new(names, events)), said)
    }

    fn file(sink: usize, name: &str) -> Key {
        (sink, OutputPath::new(name).unwrap())
    }

    fn version(number: u64) -> Signature {
        Signature { bytes: number, modified: 0, inode: 0 }
    }

    fn take(said: &Mutex<Vec<String>>) -> Vec<String> {
        std::mem::take(&mut said.lock().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again() {
        let (mut failures, said) = failures();
        let key = file(0, "a.bin");
        for (attempt, wait) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60)] {
            assert!(failures.permit(&key, version(1)));
            failures.note(key.clone(), version(1), TransferError::transient("503"));
            let again = format!("attempt {attempt} failed, the next one is in ");
            let said = take(&said);
            // The second attempt is too soon after the first for another report.
            assert_eq!(said.len(), usize::from(attempt != 2), "{said:?}");
            for said in said {
                assert!(said.starts_with("delivering `a.bin` to one: 503; "), "{said}");
                assert!(said.contains(&again), "{said}");
            }
            tokio::time::advance(Duration::from_millis(wait * 1_000 - 1)).await;
            assert!(!failures.permit(&key, version(1)) && !failures.permit(&key, version(2)));
            assert!(failures.permit(&file(1, "a.bin"), version(1)), "the other sink works");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let asked = TransferError {
            retry_after: Some(200 * SECOND),
            ..TransferError::transient("429 Too Many Requests")
        };
        failures.note(key.clone(), version(1), asked);
        tokio::time::advance(199 * SECOND).await;
        assert!(!failures.permit(&key, version(1)));
        failures.forget(&key);
        assert!(failures.permit(&key, version(2)), "it has arrived and changed since");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_left_until_it_changes() {
        let (mut failures, said) = failures();
        let key = file(0, "a.bin");
        failures.note(key.clone(), version(1), TransferError::permanent("it was changed"));
        assert!(failures.permit(&key, version(2)));
        assert_eq!(take(&said), [""; 0]);
        failures.note(key.clone(), version(2), TransferError::permanent("403 Forbidden"));
        for _ in 0..3 {
            tokio::time::advance(60 * SECOND).await;
            assert!(!failures.permit(&key, version(2)));
        }
        let last =
            "delivering `a.bin` to one: 403 Forbidden; it is tried again at the end of the run";
        assert_eq!(take(&said), [last]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_sink_is_left() {
        let (mut failures, said) = failures();
        let full = TransferError {
            cause: TransferCause::Destination,
            ..TransferError::permanent("no space left on device")
        };
        failures.note(file(1, "a.bin"), version(1), full);
        assert_eq!(
            take(&said),
            [
                "delivering to two: no space left on device; its files are tried again at the end of the run"
            ]
        );
        tokio::time::advance(3_600 * SECOND).await;
        assert!(!failures.permit(&file(1, "b.bin"), version(1)));
        assert!(failures.permit(&file(0, "b.bin"), version(1)));
    }
}
