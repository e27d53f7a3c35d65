//! Replaces the faults for tests in a program that was built without them.

use std::fs::File;
use std::io;

/// How often a failed download is retried: the usual number.
#[must_use]
pub const fn download_retries() -> Option<usize> {
    None
}

/// Is called before a record is written.
#[expect(clippy::unnecessary_wraps, reason = "with faults something goes wrong")]
pub(crate) const fn before(_record: u64, _line: &[u8], _file: &File) -> io::Result<()> {
    Ok(())
}

/// Is called after a record was written.
#[expect(clippy::unnecessary_wraps, reason = "with faults something goes wrong")]
pub(crate) const fn after(_record: u64) -> io::Result<()> {
    Ok(())
}
