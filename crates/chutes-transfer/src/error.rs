//! Why a transfer failed.

use std::time::Duration;

/// Why a transfer, or one attempt at it, failed.
///
/// ```
/// use chutes_transfer::TransferError;
///
/// let error = TransferError::transient("503 Service Unavailable");
/// assert!(error.is_transient);
/// assert_eq!(error.to_string(), "503 Service Unavailable");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransferError {
    /// A lowercase fragment without credentials, tokens and query.
    pub message: String,
    /// Whether another attempt may succeed.
    pub is_transient: bool,
    /// How long the other side asked the client to wait before that.
    pub retry_after: Option<Duration>,
    /// What is known of the cause, where that matters to the caller.
    pub cause: TransferCause,
}

/// What is known of the cause of a [`TransferError`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferCause {
    /// Nothing beyond the message.
    #[default]
    Other,
    /// A server answered with this HTTP status.
    Status(u16),
    /// The host of the URL has no known address. More often its name is misspelt than its address is
    /// missing for a moment, so there are fewer attempts.
    UnknownHost,
    /// A fault of this machine, for instance a full disk.
    ThisMachine,
    /// The place that is written to takes nothing more, whatever it is, for instance a full disk.
    Destination,
    /// There were as many attempts as there may be, and each met something that may pass.
    AttemptsUsedUp,
    /// Another attempt would have come after the deadline, and the last one met something that may pass.
    NoTimeLeft,
    /// The transfer was stopped before it was done.
    Stopped,
}

impl TransferError {
    /// An error that every other attempt would meet, too.
    #[must_use]
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_transient: false,
            retry_after: None,
            cause: TransferCause::Other,
        }
    }

    /// An error that may be gone at the next attempt.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> Self {
        Self { is_transient: true, ..Self::permanent(message) }
    }

    /// The end of a transfer that was stopped before it was done.
    #[must_use]
    pub fn stopped(message: impl Into<String>) -> Self {
        Self { cause: TransferCause::Stopped, ..Self::permanent(message) }
    }

    /// The same error with more in its message.
    #[must_use]
    pub fn map_message(self, map: impl FnOnce(String) -> String) -> Self {
        Self { message: map(self.message), ..self }
    }
}
