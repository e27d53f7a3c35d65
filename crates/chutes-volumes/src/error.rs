//! Why an input volume is not in place.

use chutes_core::FailureKind;
use chutes_transfer::{TransferCause, TransferError};

/// Why an input volume is not in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct VolumeError {
    /// `DownloadFailed` for an error in the spec or at a server; `Platform` for a fault of this machine;
    /// `TimeLimit` where no other attempt can be made before the deadline.
    pub kind: FailureKind,
    /// A lowercase fragment with the place, the URL (without query and credentials) and the status.
    pub message: String,
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
            TransferCause::ThisMachine => Self::platform(error.message),
            TransferCause::NoTimeLeft => {
                Self { kind: FailureKind::TimeLimit, message: error.message }
            }
            _ => Self::download_failed(error.message),
        }
    }
}

impl VolumeError {
    /// An error in the spec, or a fault of a server that it names.
    pub fn download_failed(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::DownloadFailed, message: message.into() }
    }

    /// A fault of this machine, for instance a full disk.
    pub fn platform(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Platform, message: message.into() }
    }
}
