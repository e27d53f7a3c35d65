//! Limits the number of connections that are not logged in.
//!
//! A client that opens many connections and sends nothing must not keep others out. When the limit is
//! reached, the address with the most connections loses its oldest one to an address that has fewer. Many
//! users may share one address, for instance behind a proxy, so a new connection may also replace one of
//! the same address: one that has not sent anything yet, or takes unusually long.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The age from which a connection that has identified itself may be replaced by one of the same address. A
/// login takes much less.
const MIN_EVICTION_AGE: Duration = Duration::from_secs(5);

/// The limiter of connections that are not logged in.
pub(super) struct PreAuthLimiter {
    max: usize,
    state: Mutex<LimiterState>,
}

#[derive(Default)]
struct LimiterState {
    next: u64,
    /// In the order of their start.
    pending: Vec<PendingConnection>,
}

struct PendingConnection {
    number: u64,
    from: IpAddr,
    since: Instant,
    is_silent: bool,
    evicted: CancellationToken,
}

/// The permit of one pending connection. It is released when this is dropped.
pub(super) struct Permit {
    number: u64,
    limiter: Arc<PreAuthLimiter>,
    evicted: CancellationToken,
}

impl PreAuthLimiter {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, state: Mutex::default() })
    }

    /// Acquires a permit for a connection; `None` when the limit is reached and no connection may be
    /// evicted.
    pub(super) fn acquire(self: &Arc<Self>, from: IpAddr) -> Option<Permit> {
        let from = address_block(from);
        let mut state = self.state();
        if state.pending.len() >= self.max && !state.evict_for(from) {
            return None;
        }
        let (number, evicted) = (state.next, CancellationToken::new());
        state.next += 1;
        state.pending.push(PendingConnection {
            number,
            from,
            since: Instant::now(),
            is_silent: true,
            evicted: evicted.clone(),
        });
        Some(Permit { number, limiter: Arc::clone(self), evicted })
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimiterState {
    /// Evicts one connection in favour of one from this address, if the rules permit it.
    fn evict_for(&mut self, from: IpAddr) -> bool {
        let Some(evicted) = self.oldest_of_largest(from).or_else(|| self.oldest_of_same(from))
        else {
            return false;
        };
        self.pending.remove(evicted).evicted.cancel();
        true
    }

    /// The oldest connection of the address that has the most, if this address has fewer even with one
    /// more.
    fn oldest_of_largest(&self, from: IpAddr) -> Option<usize> {
        let count = |of: IpAddr| self.pending.iter().filter(|one| one.from == of).count();
        let largest = self.pending.iter().map(|one| one.from).max_by_key(|of| count(*of))?;
        if count(largest) <= count(from) + 1 {
            return None;
        }
        self.pending.iter().position(|one| one.from == largest)
    }

    /// The oldest silent connection of this address, or else its oldest one that takes too long.
    fn oldest_of_same(&self, from: IpAddr) -> Option<usize> {
        let oldest = |may_leave: &dyn Fn(&PendingConnection) -> bool| {
            self.pending.iter().position(|one| one.from == from && may_leave(one))
        };
        oldest(&|one| one.is_silent)
            .or_else(|| oldest(&|one| one.since.elapsed() > MIN_EVICTION_AGE))
    }
}

impl Permit {
    /// Records that the client has sent its SSH identification.
    pub(super) fn mark_identified(&self) {
        let mut state = self.limiter.state();
        for one in state.pending.iter_mut().filter(|one| one.number == self.number) {
            one.is_silent = false;
        }
    }

    /// Waits until the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.pending.retain(|one| one.number != self.number);
    }
}

/// The block of addresses that counts as one, because one machine may use all of it: an IPv6 network of 64
/// bits.
fn address_block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Permits of connections from this address that have identified themselves.
    fn acquire(limiter: &Arc<PreAuthLimiter>, from: &str, count: usize) -> Vec<Permit> {
        let permits: Vec<_> = (0..count).map(|_| limiter.acquire(ip(from)).unwrap()).collect();
        permits.iter().for_each(Permit::mark_identified);
        permits
    }

    fn gone(permits: &[Permit]) -> Vec<bool> {
        permits.iter().map(|permit| permit.evicted.is_cancelled()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_does_not_keep_others_out() {
        let limiter = PreAuthLimiter::new(4);
        let scanner = acquire(&limiter, "10.0.0.1", 4);
        assert!(limiter.acquire(ip("10.0.0.1")).is_none(), "all of them may be about to log in");

        let mut others = acquire(&limiter, "10.0.0.2", 1);
        others.extend(acquire(&limiter, "10.0.0.3", 1));
        assert_eq!(gone(&scanner), [true, true, false, false], "not the oldest were evicted");
        assert!(
            limiter.acquire(ip("10.0.0.2")).is_none(),
            "two for each is the largest fair share"
        );
        assert_eq!(gone(&others), [false, false]);

        others.remove(0);
        assert!(limiter.acquire(ip("10.0.0.1")).is_some(), "a released permit is not available");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_replaces_its_own_connections() {
        let limiter = PreAuthLimiter::new(3);
        let speaking = acquire(&limiter, "10.0.0.1", 1);
        let silent =
            [limiter.acquire(ip("10.0.0.1")).unwrap(), limiter.acquire(ip("10.0.0.1")).unwrap()];
        let mut late = acquire(&limiter, "10.0.0.1", 2);
        assert_eq!((gone(&speaking), gone(&silent)), (vec![false], vec![true, true]));
        assert!(limiter.acquire(ip("10.0.0.1")).is_none(), "all of them speak");

        tokio::time::advance(MIN_EVICTION_AGE + Duration::from_millis(1)).await;
        late.extend(acquire(&limiter, "10.0.0.1", 1));
        assert_eq!((gone(&speaking), gone(&late)), (vec![true], vec![false; 3]));
    }

    #[test]
    fn a_permit_of_an_evicted_connection_is_released_once() {
        let limiter = PreAuthLimiter::new(2);
        let old: Vec<_> = (0..2).map(|_| limiter.acquire(ip("10.0.0.1")).unwrap()).collect();
        let new = limiter.acquire(ip("10.0.0.2")).unwrap();
        drop(old);
        assert_eq!(limiter.state().pending.len(), 1);
        drop(new);
        assert_eq!(limiter.state().pending.len(), 0);
    }

    #[test]
    fn addresses_of_one_block_count_as_one() {
        for (one, other, expected) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            assert_eq!(
                address_block(ip(one)) == address_block(ip(other)),
                expected,
                "{one} {other}"
            );
        }
    }
}
