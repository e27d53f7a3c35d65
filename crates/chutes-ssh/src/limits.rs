//! What one client, and all of them together, may ask of the server.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The bounds of an SSH server.
#[derive(Clone, Debug)]
pub struct SshLimits {
    /// How long a connection has until somebody has logged in.
    pub login_time: Duration,
    /// How many keys a connection may offer in vain.
    pub attempts: usize,
    /// How many connections may be there on which nobody has logged in yet.
    pub pending: usize,
    /// How many connections may be there in all.
    pub connections: usize,
    /// How many sessions one connection may have at a time.
    pub sessions: usize,
    /// How many forwarded connections one connection may have at a time.
    pub forwards: usize,
    /// How many channels one connection may open in its life. The library keeps two kilobytes for each.
    pub channels_ever: usize,
    /// How often a silent client is asked whether it is still there.
    pub keepalive: Duration,
    /// How many such questions may stay without an answer.
    pub unanswered: usize,
    /// How many bytes of variables a client may send for one session.
    pub environment: usize,
    /// How much a client may send on a channel before it hears that more is welcome.
    pub window: u32,
    /// After how many bytes in one direction new session keys are agreed upon.
    pub rekey_bytes: usize,
    /// How much may be held for processes that do not read their input, see [`HeldLimits`].
    pub held: HeldLimits,
    /// How long a client may take to close its connection after it was told that it is over.
    pub goodbye: Duration,
}

/// How much one connection may have sent that nobody has taken yet, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeldLimits {
    /// From here on the client gets small windows.
    pub narrow: usize,
    /// From here on the connection is read by sips.
    pub sip: usize,
    /// Here the connection is closed.
    pub most: usize,
}

impl Default for SshLimits {
    fn default() -> Self {
        Self {
            login_time: Duration::from_secs(30),
            attempts: 6,
            pending: 32,
            connections: 64,
            sessions: 32,
            forwards: 64,
            channels_ever: 20_000,
            keepalive: Duration::from_secs(30),
            unanswered: 3,
            environment: 16 * 1024,
            window: 2 * 1024 * 1024,
            rekey_bytes: 512 * MIB,
            held: HeldLimits { narrow: 4 * MIB, sip: 16 * MIB, most: 64 * MIB },
            goodbye: Duration::from_secs(3),
        }
    }
}
