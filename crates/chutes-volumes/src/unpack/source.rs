//! The bytes of an archive.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zip::ZipArchive;

use super::UnpackLimits;
use crate::VolumeError;

/// How far from the end the last record of an archive can be: its own 22 bytes and a comment.
const TAIL_BYTES: u64 = 22 + 0xffff;

/// The signatures of the records of zip64 and of the last record, and how far apart they are.
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const END: &[u8] = b"PK\x05\x06";

/// The signature of the record of a member in the list.
const MEMBER: &[u8] = b"PK\x01\x02";

const END64_BYTES: u64 = 56;
const LOCATOR64_BYTES: u64 = 20;

/// How much is read at most to know which members there are: it is kept in memory. A member takes 46
/// bytes, its name, and perhaps some dates.
pub(super) const fn directory_bytes(limits: &UnpackLimits) -> u64 {
    limits.entries.saturating_mul(1024).saturating_add(1024 * 1024)
}

/// An archive to be read, in any order. A seek beyond its end goes to its end.
pub(super) struct Source<'a> {
    file: Arc<File>,
    stop: &'a AtomicBool,
    /// How many more bytes may be read.
    budget: &'a Cell<u64>,
    length: u64,
    position: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        file: Arc<File>,
        stop: &'a AtomicBool,
        budget: &'a Cell<u64>,
    ) -> Result<Self, VolumeError> {
        let length = file.metadata().map_err(|error| unreadable(&error))?.len();
        Ok(Self { file, stop, budget, length, position: 0 })
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Refuses an archive of zip64 that announces too many members, before memory is taken for them. One
    /// without zip64 cannot announce more than 65,535.
    pub(super) fn refuse_many_members(&self, limit: u64) -> Result<(), VolumeError> {
        let begin = self.length.saturating_sub(TAIL_BYTES + LOCATOR64_BYTES);
        let mut tail = Vec::new();
        let mut reader = At { file: &self.file, position: begin }.take(self.length - begin);
        reader.read_to_end(&mut tail).map_err(|error| unreadable(&error))?;
        for (at, window) in tail.windows(24).enumerate() {
            if !window.starts_with(LOCATOR64) || !window.ends_with(END) {
                continue;
            }
            let locator = begin + at as u64;
            match self.announced_members(locator) {
                Some(members) if members <= limit => {}
                Some(members) => {
                    return Err(VolumeError::download_failed(format!(
                        "the zip file has {members} members, more than {limit}"
                    )));
                }
                None => {
                    return Err(VolumeError::download_failed(
                        "not a whole zip file: its zip64 record is not where it belongs",
                    ));
                }
            }
        }
        Ok(())
    }

    /// What the record before this locator says.
    fn announced_members(&self, locator: u64) -> Option<u64> {
        let mut record = [0; 40];
        self.file.read_exact_at(&mut record, locator.checked_sub(END64_BYTES)?).ok()?;
        let (_, members) = record.split_last_chunk()?;
        record.starts_with(END64).then(|| u64::from_le_bytes(*members))
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not `Interrupted`, after which one tries again.
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        if self.budget.get() == 0 {
            return Err(io::Error::other("the list of its members is too long"));
        }
        let wanted = usize::try_from(self.budget.get()).unwrap_or(usize::MAX).min(buffer.len());
        let mut reader = At { file: &self.file, position: self.position };
        let read = reader.read(&mut buffer[..wanted])?;
        self.budget.set(self.budget.get().saturating_sub(read as u64));
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        // The system would refuse what is out of range, which would look like a fault of this machine.
        let position = position.ok_or_else(|| io::Error::other("a record is out of range"))?;
        self.position = position.min(self.length);
        Ok(self.position)
    }
}

/// A file from a position on.
struct At<'a> {
    file: &'a File,
    position: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// The name of a file that is in the archive twice, or one that cannot be read; `None` when only folders are.
pub(super) fn repeated_file(zip: &ZipArchive<Source<'_>>, archive: &File) -> Option<Vec<u8>> {
    let mut names = HashMap::new();
    let (mut members, mut folders) = (0, 0);
    let mut begin = zip.central_directory_start();
    while let Some((name, is_empty, end)) = record(archive, begin) {
        (members, begin) = (members + 1, end);
        match names.entry(name) {
            Entry::Vacant(place) => {
                place.insert(is_empty);
            }
            // A folder that has something is refused where it can be seen, so it must not be hidden.
            Entry::Occupied(place) if is_empty && *place.get() && place.key().ends_with(b"/") => {
                folders += 1;
            }
            Entry::Occupied(place) => return Some(place.remove_entry().0),
        }
    }
    // Names may be the same only after they were decoded: then nothing is known of the one that is missing.
    (zip.len() + folders != members).then(Vec::new)
}

/// The record of a member: its name, whether it has no content, and where the next record begins.
fn record(archive: &File, begin: u64) -> Option<(Vec<u8>, bool, u64)> {
    let mut head = [0; 46];
    archive.read_exact_at(&mut head, begin).ok()?;
    if !head.starts_with(MEMBER) {
        return None;
    }
    // The lengths of the name, of the extra fields and of the comment.
    let lengths = head[28..34].chunks(2).map(|pair| u16::from(pair[0]) | u16::from(pair[1]) << 8);
    let lengths: Vec<u16> = lengths.collect();
    let mut name = vec![0; usize::from(lengths[0])];
    archive.read_exact_at(&mut name, begin + 46).ok()?;
    let is_empty = head[20..28] == [0; 8];
    Some((name, is_empty, begin + 46 + lengths.into_iter().map(u64::from).sum::<u64>()))
}

fn unreadable(error: &io::Error) -> VolumeError {
    VolumeError::platform(format!("the zip file cannot be read: {error}"))
}
