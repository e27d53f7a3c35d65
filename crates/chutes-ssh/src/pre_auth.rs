//! How many connections may be there on which nobody has logged in yet.
//!
//! Whoever opens many connections and says nothing must not keep others out. When there is no room, the
//! address that takes the most of it loses its oldest connection to one that takes less. Many people may
//! have one address, for instance behind a proxy, so an address makes room for itself as well: of those who
//! have not said anything yet, or take unusually long.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long somebody who speaks SSH has until others of the same address may take the place. A login takes
/// much less.
const PATIENCE: Duration = Duration::from_secs(5);

/// The room for pending.
pub(super) struct PreAuthLimiter {
    most: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    /// In the order in which they came.
    pending: Vec<PendingConnection>,
}

struct PendingConnection {
    number: u64,
    from: IpAddr,
    since: Instant,
    is_silent: bool,
    sent_away: CancellationToken,
}

/// The place of one newcomer. It is free again when this is dropped.
pub(super) struct Permit {
    number: u64,
    limiter: Arc<PreAuthLimiter>,
    sent_away: CancellationToken,
}

impl PreAuthLimiter {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, inside: Mutex::default() })
    }

    /// Lets one in; `None` when there is no room.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Permit> {
        let from = neighbourhood(from);
        let mut inside = self.inside();
        if inside.pending.len() >= self.most && !inside.make_room(from) {
            return None;
        }
        let (number, sent_away) = (inside.next, CancellationToken::new());
        inside.next += 1;
        inside.pending.push(PendingConnection {
            number,
            from,
            since: Instant::now(),
            is_silent: true,
            sent_away: sent_away.clone(),
        });
        Some(Permit { number, limiter: Arc::clone(self), sent_away })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Sends one away for somebody from this address, if that is fair.
    fn make_room(&mut self, from: IpAddr) -> bool {
        let Some(leaves) = self.crowded_out(from).or_else(|| self.tried_patience(from)) else {
            return false;
        };
        self.pending.remove(leaves).sent_away.cancel();
        true
    }

    /// The oldest of the address that has the most, if this address will have fewer even so.
    fn crowded_out(&self, from: IpAddr) -> Option<usize> {
        let count = |of: IpAddr| self.pending.iter().filter(|one| one.from == of).count();
        let crowd = self.pending.iter().map(|one| one.from).max_by_key(|of| count(*of))?;
        if count(crowd) <= count(from) + 1 {
            return None;
        }
        self.pending.iter().position(|one| one.from == crowd)
    }

    /// Of this address itself the oldest that is silent, or else the oldest that takes too long.
    fn tried_patience(&self, from: IpAddr) -> Option<usize> {
        let oldest = |leaves: &dyn Fn(&PendingConnection) -> bool| {
            self.pending.iter().position(|one| one.from == from && leaves(one))
        };
        oldest(&|one| one.is_silent).or_else(|| oldest(&|one| one.since.elapsed() > PATIENCE))
    }
}

impl Permit {
    /// Says that the other side has said that it speaks SSH.
    pub(super) fn speaks(&self) {
        let mut inside = self.limiter.inside();
        for one in inside.pending.iter_mut().filter(|one| one.number == self.number) {
            one.is_silent = false;
        }
    }

    /// Waits until the place is needed for somebody else.
    pub(super) async fn sent_away(&self) {
        self.sent_away.cancelled().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inside = self.limiter.inside();
        inside.pending.retain(|one| one.number != self.number);
    }
}

/// Addresses that one machine can have as many of as it likes count as one.
fn neighbourhood(address: IpAddr) -> IpAddr {
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

    /// Those who came from this address, and speak.
    fn enter(limiter: &Arc<PreAuthLimiter>, from: &str, count: usize) -> Vec<Permit> {
        let slots: Vec<_> = (0..count).map(|_| limiter.enter(ip(from)).unwrap()).collect();
        slots.iter().for_each(Permit::speaks);
        slots
    }

    fn gone(slots: &[Permit]) -> Vec<bool> {
        slots.iter().map(|slot| slot.sent_away.is_cancelled()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_cannot_keep_others_out() {
        let limiter = PreAuthLimiter::new(4);
        let scanner = enter(&limiter, "10.0.0.1", 4);
        assert!(limiter.enter(ip("10.0.0.1")).is_none(), "all of them may be about to log in");

        let mut others = enter(&limiter, "10.0.0.2", 1);
        others.extend(enter(&limiter, "10.0.0.3", 1));
        assert_eq!(gone(&scanner), [true, true, false, false], "the oldest leave");
        assert!(
            limiter.enter(ip("10.0.0.2")).is_none(),
            "two for each would be the most that is fair"
        );
        assert_eq!(gone(&others), [false, false]);

        others.remove(0);
        assert!(limiter.enter(ip("10.0.0.1")).is_some(), "a place that is left is free");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_makes_room_for_itself() {
        let limiter = PreAuthLimiter::new(3);
        let speaking = enter(&limiter, "10.0.0.1", 1);
        let silent =
            [limiter.enter(ip("10.0.0.1")).unwrap(), limiter.enter(ip("10.0.0.1")).unwrap()];
        let mut late = enter(&limiter, "10.0.0.1", 2);
        assert_eq!((gone(&speaking), gone(&silent)), (vec![false], vec![true, true]));
        assert!(limiter.enter(ip("10.0.0.1")).is_none(), "all of them speak");

        tokio::time::advance(PATIENCE + Duration::from_millis(1)).await;
        late.extend(enter(&limiter, "10.0.0.1", 1));
        assert_eq!((gone(&speaking), gone(&late)), (vec![true], vec![false; 3]));
    }

    #[test]
    fn leaving_after_having_been_sent_away_frees_nothing_twice() {
        let limiter = PreAuthLimiter::new(2);
        let old: Vec<_> = (0..2).map(|_| limiter.enter(ip("10.0.0.1")).unwrap()).collect();
        let new = limiter.enter(ip("10.0.0.2")).unwrap();
        drop(old);
        assert_eq!(limiter.inside().pending.len(), 1);
        drop(new);
        assert_eq!(limiter.inside().pending.len(), 0);
    }

    #[test]
    fn neighbours_count_as_one() {
        for (one, other, expected) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            assert_eq!(
                neighbourhood(ip(one)) == neighbourhood(ip(other)),
                expected,
                "{one} {other}"
            );
        }
    }
}
