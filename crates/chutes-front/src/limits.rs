//! How much the front takes on at once, and whom it gives up when it is full.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

/// The limits of a front.
#[derive(Clone, Copy, Debug)]
pub struct FrontLimits {
    /// Connections in all. One more is accepted and waits until there is room.
    pub connections: usize,
    /// Connections in their TLS handshake. For one more, the oldest is given up.
    pub handshakes: usize,
    /// Requests over HTTP/2 that are served at a time, by all connections together. Others wait.
    pub requests: usize,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long a client may take to send the head of its first request, from its handshake on. After that
    /// its connection may be silent for as long as the run takes.
    pub first_request_time: Duration,
    /// How long a client may be silent once the job has ended its side of the connection.
    pub half_closed_time: Duration,
    /// How long a request over HTTP/2 may wait for its turn, and then for a connection to the job.
    pub connect_time: Duration,
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
        }
    }
}

impl FrontLimits {
    /// The same, such that all connections together use at most half of the files that this process may
    /// open: outputs have to be read and written whatever clients do.
    pub(super) fn within_open_files(self) -> Self {
        match getrlimit(Resource::Nofile).current {
            Some(files) => self.within(usize::try_from(files).unwrap_or(usize::MAX)),
            None => self,
        }
    }

    /// A connection is two files, this side and that of the job, and a request over HTTP/2 is one.
    fn within(mut self, files: usize) -> Self {
        let wanted = 2 * self.connections + self.requests;
        if wanted > files / 2 {
            let fit = |count: usize| (count * (files / 2) / wanted).max(1);
            self.connections = fit(self.connections);
            self.requests = fit(self.requests);
        }
        self
    }
}

/// The connections that have not sent a request yet, by their age. They are given up before anybody else
/// has to wait, so that clients who connect and do nothing keep nobody out.
#[derive(Debug, Default)]
pub(super) struct HandshakeLimiter {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    handshakes: BTreeMap<u64, Arc<Notify>>,
    silent: BTreeMap<u64, Arc<Notify>>,
}

impl HandshakeLimiter {
    /// Notes a connection that begins its handshake. Gives up the oldest when there are more than this.
    pub(super) fn enter(self: &Arc<Self>, handshakes: usize) -> Ticket {
        let mut kept = self.kept();
        kept.last += 1;
        let id = kept.last;
        let given_up = Arc::<Notify>::default();
        kept.handshakes.insert(id, Arc::clone(&given_up));
        if kept.handshakes.len() > handshakes
            && let Some((_, oldest)) = kept.handshakes.pop_first()
        {
            oldest.notify_one();
        }
        Ticket { id, given_up, handshakes: Arc::clone(self) }
    }

    /// Gives up the oldest, those in their handshake first. `false` when there is none.
    pub(super) fn give_one_up(&self) -> bool {
        let mut kept = self.kept();
        let oldest = kept.handshakes.pop_first().or_else(|| kept.silent.pop_first());
        oldest.is_some_and(|(_, oldest)| {
            oldest.notify_one();
            true
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection among the handshakes.
#[derive(Debug)]
pub(super) struct Ticket {
    id: u64,
    given_up: Arc<Notify>,
    handshakes: Arc<HandshakeLimiter>,
}

impl Ticket {
    /// Tells when this connection has to make room for others.
    pub(super) fn signal(&self) -> Arc<Notify> {
        Arc::clone(&self.given_up)
    }

    /// The handshake is done.
    pub(super) fn shaken(&self) {
        let mut kept = self.handshakes.kept();
        if let Some(given_up) = kept.handshakes.remove(&self.id) {
            kept.silent.insert(self.id, given_up);
        }
    }

    /// The client has sent a request: this connection is not given up any more.
    pub(super) fn proven(&self) {
        let mut kept = self.handshakes.kept();
        kept.handshakes.remove(&self.id);
        kept.silent.remove(&self.id);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.proven();
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
        check(5_120, (1_024, 512));
        check(1_024, (204, 102));
        check(0, (1, 1));
    }

    #[tokio::test]
    async fn the_oldest_unproven_is_given_up_first() {
        let handshakes = Arc::<HandshakeLimiter>::default();
        let tickets: Vec<_> = (0..4).map(|_| handshakes.enter(3)).collect();
        tickets[0].signal().notified().await;
        tickets[1].proven();
        tickets[2].shaken();
        assert!(handshakes.give_one_up(), "one is in its handshake");
        tickets[3].signal().notified().await;
        assert!(handshakes.give_one_up(), "one is silent");
        tickets[2].signal().notified().await;
        assert!(!handshakes.give_one_up(), "the proven one stays");
    }

    #[test]
    fn a_connection_that_has_ended_is_forgotten() {
        let handshakes = Arc::<HandshakeLimiter>::default();
        drop(handshakes.enter(3));
        let shaken = handshakes.enter(3);
        shaken.shaken();
        drop(shaken);
        assert!(!handshakes.give_one_up());
    }
}
