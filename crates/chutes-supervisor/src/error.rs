//! Why a run cannot begin.

use std::io;

use chutes_core::SpecErrors;
use chutes_transfer::TransferError;

use super::RunDirectoryError;

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Its spec cannot be fulfilled, for instance because its class of machine is unknown.
    #[error(transparent)]
    Spec(#[from] SpecErrors),
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// Its journal cannot be written.
    #[error("cannot write the journal of the run")]
    Journal(#[source] io::Error),
    /// A job comes with the contract of that job, and an image with none.
    #[error(
        "the contract that was given is not that of `{target}`: `describe` asks a binary for it"
    )]
    Contract {
        /// What is to be run.
        target: String,
    },
    /// A sink is given by a relative path, and this program's working directory is gone.
    #[error(
        "cannot deliver to `{place}`, because the working directory is unknown ({reason}): give an absolute path"
    )]
    WorkingDirectory {
        /// The sink.
        place: String,
        /// Why it is unknown.
        reason: String,
    },
    /// The environment says something of its input volumes that cannot be understood.
    #[error("{0}")]
    VolumeSettings(
        /// Which variable is wrong, and how.
        String,
    ),
    /// Its outputs cannot be delivered to one of its sinks.
    #[error("cannot deliver to {0}")]
    Sink(
        /// The sink without credentials, and the cause.
        String,
    ),
}

impl From<TransferError> for RunError {
    fn from(error: TransferError) -> Self {
        Self::Sink(error.to_string())
    }
}
