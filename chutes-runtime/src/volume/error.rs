//! Why an input volume is not in place.

use chutes_core::FailureKind;
use chutes_transfer::{TransferCause, TransferError};

/// Why an input volume is not in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct VolumeError {
    /// `DownloadFailed` where the spec is wrong, or what it names; `Platform` where this machine is.
    pub(crate) kind: FailureKind,
    /// A lowercase fragment with the place, the URL (without query and credentials) and the status.
    pub(crate) message: String,
}

/// An attempt that cannot be made again.
impl From<VolumeError> for TransferError {
    fn from(error: VolumeError) -> Self {
        let cause = match error.kind {
            FailureKind::Platform => TransferCause::ThisMachine,
            _ => TransferCause::Other,
        };
        Self { cause, ..Self::permanent(error.message) }
    }
}

/// A transfer that was given up.
impl From<TransferError> for VolumeError {
    fn from(error: TransferError) -> Self {
        match error.cause {
            TransferCause::ThisMachine => Self::of_platform(error.message),
            _ => Self::of_user(error.message),
        }
    }
}

impl VolumeError {
    /// The fault of who wrote the spec, or of a server that it names.
    pub(crate) fn of_user(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::DownloadFailed, message: message.into() }
    }

    /// The fault of this machine, for instance a full disk.
    pub(crate) fn of_platform(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Platform, message: message.into() }
    }
}
