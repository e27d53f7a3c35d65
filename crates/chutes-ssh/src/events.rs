//! What is told of logins, and not more of it than people can read.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{Escaped, EventReporter, RunEvent};
use tokio::time::Instant;

/// How many refused connections are told within [`WINDOW`]; the others are counted.
const REFUSED_AT_MOST: usize = 20;
const WINDOW: Duration = Duration::from_mins(1);

/// How long a text of a client may be in an event, in characters.
const LONGEST_TEXT: usize = 200;

/// Tells who logs in, who is refused, and who leaves.
pub(super) struct LoginReporter {
    events: EventReporter,
    refused: Mutex<Refused>,
}

/// What was refused in the window that runs.
#[derive(Default)]
struct Refused {
    since: Option<Instant>,
    reported: usize,
    /// How many were not log, and from where the last of them came.
    unreported: Option<(usize, SocketAddr)>,
}

impl LoginReporter {
    pub(super) fn new(events: EventReporter) -> Self {
        Self { events, refused: Mutex::default() }
    }

    pub(super) fn login(&self, peer: SocketAddr, user: &str, key: String) {
        self.events.emit(RunEvent::SshLogin { peer, user: printable(user), key });
    }

    pub(super) fn logout(&self, peer: SocketAddr) {
        self.events.emit(RunEvent::SshLogout { peer });
    }

    /// Tells of one connection that was not let in.
    pub(super) fn refused(&self, peer: SocketAddr, reason: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if refused.since.is_none_or(|since| now - since >= WINDOW) {
            self.tell_rest(&mut refused);
            *refused = Refused { since: Some(now), ..Refused::default() };
        }
        if refused.reported < REFUSED_AT_MOST {
            refused.reported += 1;
            self.events.emit(RunEvent::SshRefused { peer, reason: printable(reason) });
        } else {
            let before = refused.unreported.map_or(0, |(count, _)| count);
            refused.unreported = Some((before + 1, peer));
        }
    }

    /// Tells how many were not log.
    pub(super) fn finish(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell_rest(&mut refused);
    }

    fn tell_rest(&self, refused: &mut Refused) {
        if let Some((count, peer)) = refused.unreported.take() {
            let more = if count == 1 { "connection was" } else { "connections were" };
            let reason =
                format!("{count} more {more} refused meanwhile; this is where the last came from");
            self.events.emit(RunEvent::SshRefused { peer, reason });
        }
    }
}

/// A text that may come from a client, without what could confuse a terminal, and not too long.
fn printable(text: &str) -> String {
    let mut shown: String = Escaped(text).to_string().chars().take(LONGEST_TEXT).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::EventLog;

    fn peer(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn reasons(log: &EventLog) -> Vec<String> {
        let reason = |event| match event {
            RunEvent::SshRefused { reason, .. } => Some(reason),
            _ => None,
        };
        log.all().into_iter().filter_map(reason).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_told_up_to_a_number_and_then_counted() {
        let log = Arc::new(EventLog::default());
        let reporter = LoginReporter::new(log.reporter());
        for port in 1..=57 {
            reporter.refused(peer(port), "garbage");
        }
        assert_eq!(reasons(&log), ["garbage"; REFUSED_AT_MOST]);

        tokio::time::advance(WINDOW).await;
        reporter.refused(peer(99), "wrong key");
        let late = reasons(&log).split_off(REFUSED_AT_MOST);
        assert_eq!(late.len(), 2, "{late:?}");
        assert!(late[0].starts_with("37 more connections were refused"), "{late:?}");
        assert_eq!(late[1], "wrong key");

        reporter.finish();
        assert_eq!(reasons(&log).len(), REFUSED_AT_MOST + 2, "nothing is told twice");
    }

    #[test]
    fn texts_of_clients_are_made_harmless() {
        for (text, expected) in [
            ("root", "root".to_owned()),
            ("a\x1b[2Jb\n", "a\\u{1b}[2Jb\\n".to_owned()),
            ("ä", "ä".to_owned()),
            (&"x".repeat(LONGEST_TEXT), "x".repeat(LONGEST_TEXT)),
            (&"x".repeat(LONGEST_TEXT + 1), format!("{}…", "x".repeat(LONGEST_TEXT))),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
