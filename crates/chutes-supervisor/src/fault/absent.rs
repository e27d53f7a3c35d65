//! Stands for faults of tests in a program that is built without them: there are none.

use std::fs::File;
use std::io;

/// How often a download is tried again: as often as usual.
#[must_use]
pub const fn download_retries() -> Option<usize> {
    None
}

/// Before a record is written.
#[expect(clippy::unnecessary_wraps, reason = "with faults something goes wrong")]
pub(super) const fn before(_record: u64, _line: &[u8], _file: &File) -> io::Result<()> {
    Ok(())
}

/// After a record was written.
#[expect(clippy::unnecessary_wraps, reason = "with faults something goes wrong")]
pub(super) const fn after(_record: u64) -> io::Result<()> {
    Ok(())
}
