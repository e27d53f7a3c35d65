//! Copies of collected files: exactly what was collected, or an error.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use chutes_core::{Sha256Digest, Sha256Hasher};
use chutes_transfer::TransferError;

use super::attributes::Attributes;
use super::blocking::{Abandoned, failed};
use super::{Fingerprint, SourceFile};

/// How much is copied by the kernel in one step. The step is not interrupted and counts as no
/// movement, so it has to end on a slow disk, too.
const STEP: u64 = 8 * 1024 * 1024;

/// How much is read at a time.
const BUFFER: usize = 256 * 1024;

/// Files of at most this size, in bytes, are read for their checksum in any case: that costs less than asking the file
/// system twice whether they were changed, and having the kernel copy them.
const SMALL: u64 = 4 * 1024;

const CHANGED: &str = "it was changed after it was collected";

/// Appends the content of a collected file to another. Returns what else belongs to a copy of it.
///
/// As long as the file system says that the file was not changed since its checksum was taken, the
/// kernel copies it, and nothing is read here. Otherwise, and of a small file, the checksum is taken again.
pub(super) fn copy_file(
    source: &SourceFile,
    to: &mut File,
    abandoned: &Abandoned,
) -> Result<Attributes, TransferError> {
    let mut from = open(source)?;
    let metadata = examine(&from)?;
    let attributes = Attributes::from(&metadata);
    if source.bytes <= SMALL || !is_as_collected(source, &metadata) {
        return copy_checked(source, &mut from, to, abandoned).map(|()| attributes);
    }
    let mut copied = 0;
    // Whether there is more of it by now is seen from its fingerprint.
    while copied < source.bytes {
        abandoned.check()?;
        let step = STEP.min(source.bytes - copied);
        let step = io::copy(&mut Read::take(&mut from, step), to);
        let count = step.map_err(|error| failed("cannot copy", &error))?;
        if count == 0 {
            break;
        }
        copied += count;
        source.count(usize::try_from(count).unwrap_or(usize::MAX));
    }
    let unchanged = copied == source.bytes && is_as_collected(source, &examine(&from)?);
    if unchanged { Ok(attributes) } else { Err(TransferError::permanent(CHANGED)) }
}

/// Writes the content of a collected file into anything.
pub(super) fn copy_content(
    source: &SourceFile,
    to: &mut impl Write,
    abandoned: &Abandoned,
) -> Result<(), TransferError> {
    copy_checked(source, &mut open(source)?, to, abandoned)
}

/// Whether a file has the content of a collected one.
pub(super) fn has_content(
    file: &mut impl Read,
    source: &SourceFile,
    abandoned: &Abandoned,
) -> Result<bool, TransferError> {
    let content = read(file, source, &mut io::sink(), abandoned)?;
    Ok(content == Some(source.sha256))
}

pub(super) fn open(source: &SourceFile) -> Result<File, TransferError> {
    source.open().map_err(|error| failed("it cannot be opened", &error))
}

pub(super) fn examine(file: &File) -> Result<Metadata, TransferError> {
    file.metadata().map_err(|error| failed("it cannot be examined", &error))
}

fn is_as_collected(source: &SourceFile, metadata: &Metadata) -> bool {
    source.fingerprint == Some(Fingerprint::of(metadata)) && metadata.len() == source.bytes
}

fn copy_checked(
    source: &SourceFile,
    from: &mut File,
    to: &mut impl Write,
    abandoned: &Abandoned,
) -> Result<(), TransferError> {
    if read(from, source, to, abandoned)? == Some(source.sha256) {
        return Ok(());
    }
    Err(TransferError::permanent(CHANGED))
}

/// Copies what may be the content of a collected file and takes its checksum. `None` when there is
/// more of it: a file that grows has no end.
fn read(
    from: &mut impl Read,
    source: &SourceFile,
    to: &mut impl Write,
    abandoned: &Abandoned,
) -> Result<Option<Sha256Digest>, TransferError> {
    let mut hasher = Sha256Hasher::new();
    // One byte more shows that there is more.
    let size = usize::try_from(source.bytes.saturating_add(1)).unwrap_or(BUFFER);
    let mut buffer = vec![0; size.min(BUFFER)];
    let mut bytes: u64 = 0;
    loop {
        abandoned.check()?;
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed("it cannot be read", &error)),
        };
        bytes += count as u64;
        if bytes > source.bytes {
            return Ok(None);
        }
        let read = &buffer[..count];
        hasher.update(read);
        to.write_all(read).map_err(|error| failed("cannot write", &error))?;
        source.count(count);
    }
    Ok(Some(hasher.finish()))
}

/// The size and the checksum of a file of our own. What is read counts as movement.
pub(super) fn checksum(
    file: &mut File,
    moved: &AtomicU64,
    abandoned: &Abandoned,
) -> Result<(u64, Sha256Digest), TransferError> {
    let mut hasher = Sha256Hasher::new();
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        abandoned.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hasher.finish())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
                moved.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("it cannot be read", &error)),
        }
    }
}
