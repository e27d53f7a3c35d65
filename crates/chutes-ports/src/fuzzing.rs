//! The parsers of bytes from outside, for the fuzz targets of chutes only.

use crate::{probe, sockets};

/// Parses an answer of a job: a final status must be in the text.
pub fn answer(answer: &[u8]) {
    if let probe::Status::Final(code) = probe::status(answer) {
        let is_in_text = answer.windows(3).any(|three| three == code.to_string().as_bytes());
        assert!((200..600).contains(&code) && is_in_text, "{code}");
    }
}

/// Parses a table of sockets: every socket that is found must have a number.
pub fn sockets(table: &[u8]) {
    for transport in [sockets::Transport::Tcp, sockets::Transport::Udp] {
        let mut sockets = Vec::new();
        // Reading from memory never fails.
        let _ = sockets::read_table(table, transport, &|_| true, &mut sockets);
        assert!(sockets.iter().all(|socket| socket.local.port() != 0));
    }
}
