//! The limits of the front, and which connection is closed when one of them is reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

/// The limits of a front.
#[derive(Clone, Copy, Debug)]
pub struct FrontLimits {
    /// All connections. One more is accepted, and waits until it can be served.
    pub connections: usize,
    /// Connections in their TLS handshake. For one more, the oldest is closed.
    pub handshakes: usize,
    /// Concurrent requests over HTTP/2, of all connections together. Further ones wait.
    pub requests: usize,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long a client may take from its handshake to the head of its first request. After that its
    /// connection may be silent for as long as the run takes.
    pub first_request_time: Duration,
    /// How long a client may be silent once the job has ended its side of the connection.
    pub half_closed_time: Duration,
    /// How long a request over HTTP/2 may wait until it can be served, and then for a connection to the
    /// job.
    pub connect_time: Duration,
    /// How long a connection to the job is kept for another request over HTTP/2 of the same client. A job may serve few
    /// connections at a time.
    pub kept_time: Duration,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            handshakes: 128,
            requests: 512,
            handshake_time: Duration::from_secs(10),
            first_request_time: Duration::from_mins(1),
            half_closed_time: Duration::from_mins(1),
            connect_time: Duration::from_secs(10),
            kept_time: Duration::from_secs(5),
        }
    }
}

impl FrontLimits {
    /// How many connections to the job may be kept without a request, for all clients together.
    pub(super) const fn kept(&self) -> usize {
        self.requests / 4
    }

    /// The limits, reduced so that all connections together use at most half of the files that this process
    /// may open: outputs have to be read and written whatever clients do.
    pub(super) fn within_open_files(self) -> Self {
        match getrlimit(Resource::Nofile).current {
            Some(files) => self.within(usize::try_from(files).unwrap_or(usize::MAX)),
            None => self,
        }
    }

    /// A connection uses two files, one to the client and one to the job, and a request over HTTP/2 uses
    /// one, as a kept connection does.
    fn within(mut self, files: usize) -> Self {
        let needed = 2 * self.connections + self.requests + self.kept();
        if needed > files / 2 {
            let fit = |count: usize| (count * (files / 2) / needed).max(1);
            self.connections = fit(self.connections);
            self.requests = fit(self.requests);
        }
        self
    }
}

/// The connections that have not sent a request yet, by their age. They are closed before another
/// connection has to wait, so that clients that connect and do nothing do not keep others out.
#[derive(Debug, Default)]
pub(super) struct HandshakeLimiter {
    state: Mutex<LimiterState>,
}

#[derive(Debug, Default)]
struct LimiterState {
    last: u64,
    handshakes: BTreeMap<u64, Arc<Notify>>,
    silent: BTreeMap<u64, Arc<Notify>>,
}

impl HandshakeLimiter {
    /// Adds a connection that begins its handshake. Closes the oldest when there are more than
    /// `handshakes`.
    pub(super) fn begin(self: &Arc<Self>, handshakes: usize) -> PendingHandshake {
        let mut state = self.state();
        state.last += 1;
        let id = state.last;
        let close = Arc::<Notify>::default();
        state.handshakes.insert(id, Arc::clone(&close));
        if state.handshakes.len() > handshakes
            && let Some((_, oldest)) = state.handshakes.pop_first()
        {
            oldest.notify_one();
        }
        PendingHandshake { id, close, limiter: Arc::clone(self) }
    }

    /// Closes the oldest connection, those in their handshake first. Returns `false` when there is none.
    pub(super) fn close_oldest(&self) -> bool {
        let mut state = self.state();
        let oldest = state.handshakes.pop_first().or_else(|| state.silent.pop_first());
        oldest.is_some_and(|(_, oldest)| {
            oldest.notify_one();
            true
        })
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is known to a [`HandshakeLimiter`].
#[derive(Debug)]
pub(super) struct PendingHandshake {
    id: u64,
    close: Arc<Notify>,
    limiter: Arc<HandshakeLimiter>,
}

impl PendingHandshake {
    /// Is notified when this connection has to be closed to make room for others.
    pub(super) fn close_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.close)
    }

    /// Records that the handshake is done.
    pub(super) fn completed(&self) {
        let mut state = self.limiter.state();
        if let Some(close) = state.handshakes.remove(&self.id) {
            state.silent.insert(self.id, close);
        }
    }

    /// Records that the client has sent a request: this connection is not closed for others any more.
    pub(super) fn confirmed(&self) {
        let mut state = self.limiter.state();
        state.handshakes.remove(&self.id);
        state.silent.remove(&self.id);
    }
}

impl Drop for PendingHandshake {
    fn drop(&mut self) {
        self.confirmed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_process_are_left_for_outputs() {
        let check = |files, expected| {
            let limits = FrontLimits::default().within(files);
            assert_eq!((limits.connections, limits.requests), expected, "{files} files");
        };
        check(usize::MAX, (1_024, 512));
        check(5_376, (1_024, 512));
        check(1_024, (195, 97));
        check(0, (1, 1));
    }

    #[tokio::test]
    async fn the_oldest_unconfirmed_connection_is_closed_first() {
        let handshakes = Arc::<HandshakeLimiter>::default();
        let connections: Vec<_> = (0..4).map(|_| handshakes.begin(3)).collect();
        connections[0].close_signal().notified().await;
        connections[1].confirmed();
        connections[2].completed();
        assert!(handshakes.close_oldest(), "one is in its handshake");
        connections[3].close_signal().notified().await;
        assert!(handshakes.close_oldest(), "one is silent");
        connections[2].close_signal().notified().await;
        assert!(!handshakes.close_oldest(), "the confirmed one was closed");
    }

    #[test]
    fn a_connection_that_has_ended_is_removed() {
        let handshakes = Arc::<HandshakeLimiter>::default();
        drop(handshakes.begin(3));
        let completed = handshakes.begin(3);
        completed.completed();
        drop(completed);
        assert!(!handshakes.close_oldest());
    }
}
