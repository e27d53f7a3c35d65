//! What is being transferred now: when a limit ends it, the message has to say what was not done, and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Retry;
use super::notice::Attempted;

/// The transfers that are going on. Clones are the same list.
///
/// ```
/// use chutes_transfer::OngoingTransfers;
///
/// let transfers = OngoingTransfers::default();
/// let transfer = transfers.begin("/volume/a", "GET https://host/file");
/// let expected = "/volume/a: GET https://host/file had not come to its end";
/// assert_eq!(transfers.summary().unwrap(), expected);
/// drop(transfer);
/// assert_eq!(transfers.summary(), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct OngoingTransfers {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// In the order of their beginnings.
    transfers: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    subject: String,
    what: String,
    /// What the last attempt met that failed, with the number of attempts.
    failure: Option<String>,
}

/// One of the transfers. It belongs to the list until it is dropped.
#[derive(Debug)]
pub struct OngoingTransfer {
    all: OngoingTransfers,
    number: u64,
}

impl OngoingTransfers {
    /// Adds a transfer: what it is for, and what is done. Neither has secrets.
    #[must_use]
    pub fn begin(&self, subject: impl Into<String>, what: impl Into<String>) -> OngoingTransfer {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let (subject, what) = (subject.into(), what.into());
        state.transfers.insert(number, Entry { subject, what, failure: None });
        OngoingTransfer { all: self.clone(), number }
    }

    /// What is not done, and why, if there is something: one transfer, and how many others there are. One that
    /// has failed says more than one that takes long.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let state = self.state();
        let failed = state.transfers.values().find(|entry| entry.failure.is_some());
        let entry = failed.or_else(|| state.transfers.values().next())?;
        let shown = match &entry.failure {
            Some(failure) => format!("{}: {failure}", entry.subject),
            None => format!("{}: {} had not come to its end", entry.subject, entry.what),
        };
        Some(match state.transfers.len() - 1 {
            0 => shown,
            1 => format!("{shown}; one more was under way"),
            others => format!("{shown}; {others} more were under way"),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OngoingTransfer {
    /// Takes note of an attempt that has failed, and after which another one is made.
    pub fn retrying(&self, retry: Retry<'_>) {
        if let Some(entry) = self.all.state().transfers.get_mut(&self.number) {
            entry.failure = Some(format!("{} ({})", retry.error, Attempted(retry.attempts)));
        }
    }
}

impl Drop for OngoingTransfer {
    fn drop(&mut self) {
        self.all.state().transfers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::TransferError;

    #[test]
    fn failures_come_first_and_the_others_are_counted() {
        let transfers = OngoingTransfers::default();
        let check = |expected: &str| assert_eq!(transfers.summary().as_deref(), Some(expected));
        let first = transfers.begin("a", "GET a");
        let second = transfers.begin("b", "GET b");
        check("a: GET a had not come to its end; one more was under way");
        let error = TransferError::transient("GET b was answered with 503");
        second.retrying(Retry { error: &error, attempts: 1, wait: Duration::ZERO });
        check("b: GET b was answered with 503 (after 1 attempt); one more was under way");
        second.retrying(Retry { error: &error, attempts: 2, wait: Duration::ZERO });
        let third = transfers.begin("c", "GET c");
        check("b: GET b was answered with 503 (after 2 attempts); 2 more were under way");
        drop((first, third));
        check("b: GET b was answered with 503 (after 2 attempts)");
        drop(second);
        assert_eq!(transfers.summary(), None);
    }
}
