//! Events of logins and refusals, limited to a number that users can read.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{Escaped, EventReporter, RunEvent};
use tokio::time::Instant;

/// The largest number of refused connections that are reported within [`WINDOW`]; further ones are counted.
const MAX_REPORTED: usize = 20;
const WINDOW: Duration = Duration::from_mins(1);

/// The longest text of a client in an event, in characters.
const MAX_TEXT_CHARS: usize = 200;

/// Reports logins, refusals and logouts.
pub(super) struct LoginReporter {
    events: EventReporter,
    refused: Mutex<Refusals>,
}

/// The refusals in the current window.
#[derive(Default)]
struct Refusals {
    since: Option<Instant>,
    reported: usize,
    /// The number of unreported refusals, and the address of the last one.
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

    /// Reports one refused connection.
    pub(super) fn refused(&self, peer: SocketAddr, reason: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if refused.since.is_none_or(|since| now - since >= WINDOW) {
            self.report_unreported(&mut refused);
            *refused = Refusals { since: Some(now), ..Refusals::default() };
        }
        if refused.reported < MAX_REPORTED {
            refused.reported += 1;
            self.events.emit(RunEvent::SshRefused { peer, reason: printable(reason) });
        } else {
            let before = refused.unreported.map_or(0, |(count, _)| count);
            refused.unreported = Some((before + 1, peer));
        }
    }

    /// Reports how many refusals were not reported.
    pub(super) fn finish(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        self.report_unreported(&mut refused);
    }

    fn report_unreported(&self, refused: &mut Refusals) {
        if let Some((count, peer)) = refused.unreported.take() {
            let more = if count == 1 { "connection was" } else { "connections were" };
            let reason =
                format!("{count} more {more} refused meanwhile; this is where the last came from");
            self.events.emit(RunEvent::SshRefused { peer, reason });
        }
    }
}

/// A text that may come from a client, with control characters escaped, and cut off at [`MAX_TEXT_CHARS`].
fn printable(text: &str) -> String {
    let mut shown: String = Escaped(text).to_string().chars().take(MAX_TEXT_CHARS).collect();
    if text.chars().nth(MAX_TEXT_CHARS).is_some() {
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
    async fn refusals_are_reported_up_to_a_limit_and_then_counted() {
        let log = Arc::new(EventLog::default());
        let reporter = LoginReporter::new(log.reporter());
        for port in 1..=57 {
            reporter.refused(peer(port), "garbage");
        }
        assert_eq!(reasons(&log), ["garbage"; MAX_REPORTED]);

        tokio::time::advance(WINDOW).await;
        reporter.refused(peer(99), "wrong key");
        let late = reasons(&log).split_off(MAX_REPORTED);
        assert_eq!(late.len(), 2, "{late:?}");
        assert!(late[0].starts_with("37 more connections were refused"), "{late:?}");
        assert_eq!(late[1], "wrong key");

        reporter.finish();
        assert_eq!(reasons(&log).len(), MAX_REPORTED + 2, "a refusal is reported twice");
    }

    #[test]
    fn texts_of_clients_are_escaped() {
        for (text, expected) in [
            ("root", "root".to_owned()),
            ("a\x1b[2Jb\n", "a\\u{1b}[2Jb\\n".to_owned()),
            ("ä", "ä".to_owned()),
            (&"x".repeat(MAX_TEXT_CHARS), "x".repeat(MAX_TEXT_CHARS)),
            (&"x".repeat(MAX_TEXT_CHARS + 1), format!("{}…", "x".repeat(MAX_TEXT_CHARS))),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
