//! What reads bytes from outside, for the fuzz targets of chutes only.

use crate::{probe, sockets};

/// What a job may answer, for a fuzz target: only a status that it says counts.
pub fn answer(answer: &[u8]) {
    if let probe::Status::Final(code) = probe::status(answer) {
        let says_it = answer.windows(3).any(|three| three == code.to_string().as_bytes());
        assert!((200..600).contains(&code) && says_it, "{code}");
    }
}

/// A table of sockets, for a fuzz target: none is without a number.
pub fn sockets(table: &[u8]) {
    for transport in [sockets::Transport::Tcp, sockets::Transport::Udp] {
        let mut sockets = Vec::new();
        // Bytes in memory can always be read.
        let _ = sockets::read_table(table, transport, &mut sockets);
        assert!(sockets.iter().all(|socket| socket.local.port() != 0));
    }
}
