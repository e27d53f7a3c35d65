//! Reads what a job has printed, from the files that `logs.rs` describes, also while they are written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};
use chutes_core::{FileKind, LogStream};

use super::{InspectError, open};
use crate::directory::open_regular;
use crate::logs::file_name;

/// How much is read at once to find the beginning of a line.
const CHUNK: u64 = 64 * 1024;

/// One stream that a job prints to: its files in their order, as one text.
///
/// A stream that was longer than its limit has notes where bytes are missing. When the reader is slower than the job, so
/// that files were removed that it has not read, there is such a note as well.
#[derive(Debug)]
pub struct JobLog {
    folder: Dir,
    stream: LogStream,
    current: Option<Segment>,
    /// A note that is still to be given.
    note: Vec<u8>,
    /// Whether the last byte that was given ends a line.
    ends_line: bool,
}

#[derive(Debug)]
struct Segment {
    /// 0 is `stdout.log`, 7 is `stdout.7.log`.
    number: u64,
    file: File,
    /// How many bytes of it have been read.
    read: u64,
}

impl JobLog {
    /// Begins at the beginning.
    pub fn open(directory: &Path, stream: LogStream) -> Result<Self, InspectError> {
        let folder = open(directory)?.folder(FileKind::Log).map_err(|source| {
            let path = directory.join(FileKind::Log.folder());
            InspectError::Unreadable { path, source }
        })?;
        Ok(Self { folder, stream, current: None, note: Vec::new(), ends_line: true })
    }

    /// Skips all but the last lines. A last line without its end counts as one.
    pub fn skip_to_last(&mut self, lines: u64) -> io::Result<()> {
        let mut seen = 0;
        let mut is_last_byte = true;
        for number in self.numbers(0)?.into_iter().rev() {
            let Some(file) = self.segment(number)? else { continue };
            let mut end = file.metadata()?.len();
            if lines == 0 {
                self.current = Some(Segment { number, file, read: end });
                return Ok(());
            }
            while end > 0 {
                let start = end.saturating_sub(CHUNK);
                let chunk = read_between(&file, start, end)?;
                for (at, byte) in chunk.iter().enumerate().rev() {
                    // The line feed at the very end ends the last line.
                    if *byte == b'\n' && !std::mem::take(&mut is_last_byte) {
                        seen += 1;
                    }
                    is_last_byte = false;
                    if seen == lines {
                        let read = start + at as u64 + 1;
                        self.current = Some(Segment { number, file, read });
                        return Ok(());
                    }
                }
                end = start;
            }
            self.current = Some(Segment { number, file, read: 0 });
        }
        Ok(())
    }

    /// Reads the next bytes. 0 means that there are no more now; more may come as long as the job runs.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.read_current(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(next) = self.next()? else { return Ok(0) };
            // The file is complete now that there is another one, but may have grown since its end was reached.
            let count = self.read_current(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.go_to(next);
        }
    }

    fn read_current(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.note.is_empty() {
            let count = self.note.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.note[..count]);
            self.note.drain(..count);
            return Ok(count);
        }
        let Some(Segment { file, read, .. }) = &mut self.current else { return Ok(0) };
        let count = file.read_at(buffer, *read)?;
        *read += count as u64;
        if let Some(last) = buffer[..count].last() {
            self.ends_line = *last == b'\n';
        }
        Ok(count)
    }

    /// The file after the current one, if there is one.
    fn next(&self) -> io::Result<Option<Segment>> {
        let from = self.current.as_ref().map_or(0, |current| current.number + 1);
        for number in self.numbers(from)? {
            // It may have been removed at this moment.
            if let Some(file) = self.segment(number)? {
                return Ok(Some(Segment { number, file, read: 0 }));
            }
        }
        Ok(None)
    }

    fn go_to(&mut self, next: Segment) {
        // After the first file, `logs.rs` has written such a note itself.
        let is_gap = |current: &Segment| current.number > 0 && next.number > current.number + 1;
        if self.current.as_ref().is_some_and(is_gap) {
            let before = if self.ends_line { "" } else { "\n" };
            let name = file_name(self.stream, next.number);
            let note = format!("{before}[chutes: output was dropped here, it goes on in {name}]\n");
            self.note = note.into_bytes();
            self.ends_line = true;
        }
        self.current = Some(next);
    }

    /// The numbers of the files that are there, in their order, from this one on.
    fn numbers(&self, from: u64) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in self.folder.entries()? {
            let found = entry?.file_name();
            let number = found.to_str().and_then(|found| number(self.stream, found));
            numbers.extend(number.filter(|number| *number >= from));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A file, unless it is not there or is none that a supervisor has made.
    fn segment(&self, number: u64) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match open_regular(&self.folder, &file_name(self.stream, number), &options) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// The bytes of a file between two places, fewer if the file has become shorter.
fn read_between(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], start + length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn stem(stream: LogStream) -> &'static str {
    stream.file_name().trim_end_matches(".log")
}

/// The number of the file with this name.
fn number(stream: LogStream, found: &str) -> Option<u64> {
    let middle = found.strip_prefix(stem(stream))?.strip_suffix("log")?;
    let number = match middle.strip_prefix('.')? {
        "" => 0,
        digits => digits.strip_suffix('.')?.parse().ok()?,
    };
    (file_name(stream, number) == found).then_some(number)
}
