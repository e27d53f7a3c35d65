//! Why a run request is not written or not read.

use super::RunRequest;
use crate::SpecErrors;

/// Why a run request is not written or not read, without secrets.
///
/// ```
/// use chutes::request::{RunRequest, RunRequestError};
///
/// let error = RunRequest::from_json(r#"{"version": 7, "whatever": []}"#).unwrap_err();
/// assert_eq!(error, RunRequestError::NewerVersion { version: 7 });
/// assert_eq!(
///     error.to_string(),
///     "the run request has version 7, and this program reads version 1: use a newer chutes",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunRequestError {
    /// It is longer than [`RunRequest::MAX_BYTES`].
    #[error("the run request has {bytes} bytes, and the longest one has {}", RunRequest::MAX_BYTES)]
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
    },
    /// It is one of a later version of chutes. Nothing else in it was looked at.
    #[error(
        "the run request has version {version}, and this program reads version {}: use a newer chutes",
        RunRequest::VERSION
    )]
    NewerVersion {
        /// Its version.
        version: u64,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Invalid(#[from] SpecErrors),
}
