//! Limits for one client, and for all clients together.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The limits of an SSH server.
#[derive(Clone, Debug)]
pub struct SshLimits {
    /// How long a login may take, from the start of the connection.
    pub login_time: Duration,
    /// The largest number of refused keys of a connection.
    pub attempts: usize,
    /// The largest number of connections that are not logged in.
    pub pending: usize,
    /// The largest number of all connections.
    pub connections: usize,
    /// The largest number of concurrent sessions of one connection.
    pub sessions: usize,
    /// The largest number of concurrent forwarded connections of one connection.
    pub forwards: usize,
    /// The largest number of channels that one connection may ever open. The library keeps two kilobytes
    /// for each.
    pub channels_ever: usize,
    /// The interval of keepalive messages to a silent client.
    pub keepalive: Duration,
    /// The largest number of keepalive messages without an answer.
    pub unanswered: usize,
    /// The largest size of all variables that a client may set for one session, in bytes.
    pub environment: usize,
    /// The window of a channel: how much a client may send before the window is adjusted, in bytes.
    pub window: u32,
    /// The number of bytes in one direction after which new session keys are negotiated.
    pub rekey_bytes: usize,
    /// How much may be buffered for processes that do not read their input, see [`BufferLimits`].
    pub buffered: BufferLimits,
    /// How long a client may take to close its connection after the disconnect message.
    pub goodbye: Duration,
}

/// Limits of the data that is buffered for one connection, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BufferLimits {
    /// Above this, the client gets small windows.
    pub small_window: usize,
    /// Above this, the connection is read in portions, with pauses.
    pub throttle: usize,
    /// Above this, the connection is closed.
    pub max: usize,
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
            buffered: BufferLimits { small_window: 4 * MIB, throttle: 16 * MIB, max: 64 * MIB },
            goodbye: Duration::from_secs(3),
        }
    }
}
