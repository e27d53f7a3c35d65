//! Why a run cannot begin.

use std::io;

use chutes_core::SpecErrors;
use chutes_transfer::TransferError;

use super::RunDirectoryError;

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Its spec asks for what there is not, such as an unknown class of machine.
    #[error(transparent)]
    Spec(#[from] SpecErrors),
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// Its journal cannot be written.
    #[error("cannot write the journal of the run")]
    Journal(#[source] io::Error),
    /// Its outputs cannot be delivered where it was asked for.
    #[error("cannot deliver to {0}")]
    Sink(
        /// Where to, without credentials, and why not.
        String,
    ),
}

impl From<TransferError> for RunError {
    fn from(error: TransferError) -> Self {
        Self::Sink(error.to_string())
    }
}
