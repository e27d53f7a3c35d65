//! How large the data and the result of a job may be.

use chutes_core::Json;

/// The largest data and the largest result of a run, in bytes of JSON. Larger values belong into files.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A text that is longer than [`MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{bytes} bytes of JSON are too many; at most {MAX_BYTES} are possible, and files have no limit"
)]
pub struct TooLarge {
    bytes: usize,
}

/// Checks the size of data or of a result.
///
/// # Errors
///
/// When it is larger than [`MAX_BYTES`].
pub fn check_size(json: &Json) -> Result<(), TooLarge> {
    let bytes = json.as_str().len();
    if bytes > MAX_BYTES { Err(TooLarge { bytes }) } else { Ok(()) }
}
