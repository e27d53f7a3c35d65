//! The output of a worker: kept in files of bounded size, and cut into lines for events (`lines`).
//!
//! ```text
//! stdout.log     the beginning: the first half of the cap
//! stdout.7.log   the end: two files of a quarter of the cap each,
//! stdout.8.log     the older of them full
//! ```
//!
//! The files of one stream, `stdout.log` first and then by their numbers, are one text. Bytes are kept unchanged.
//! Where bytes are missing, a line of its own says so:
//!
//! ```text
//! [chutes: 123456789 bytes of output were dropped here, it goes on in stdout.7.log]
//! [chutes: 4096 bytes of output could not be written here: No space left on device (os error 28)]
//! ```
//!
//! A job that prints less than half of the cap has one file per stream and no such line.

mod disk;
pub(crate) mod index;
pub mod lines;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;

use cap_std::fs::Dir;
use chutes_core::{LogStream, RunRequest};

use self::disk::{Disk, DiskFile};
use self::index::{Extent, OutputIndex, StreamIndex};

/// How many bytes of one stream are kept. Notes about missing bytes come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCap(u64);

impl LogCap {
    /// A cap of this many bytes, at least [`RunRequest::MIN_LOG_LIMIT`].
    pub const fn new(bytes: u64) -> Result<Self, LogCapError> {
        if bytes < RunRequest::MIN_LOG_LIMIT { Err(LogCapError { bytes }) } else { Ok(Self(bytes)) }
    }

    /// The cap, in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The size of the first file: the beginning of the output.
    const fn head(self) -> u64 {
        self.0 / 2
    }

    /// The size of each of the two files with the end of the output.
    const fn segment(self) -> u64 {
        self.0 / 4
    }
}

/// 256 MiB.
impl Default for LogCap {
    fn default() -> Self {
        Self(256 * 1024 * 1024)
    }
}

/// A cap that is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are too few for a log; at least {} are needed", RunRequest::MIN_LOG_LIMIT)]
pub struct LogCapError {
    bytes: u64,
}

/// The folder of the logs of a run.
#[derive(Debug)]
pub struct Logs {
    pub(crate) folder: Dir,
    /// Where the output is in its files.
    pub(crate) index: OutputIndex,
}

/// The name of a file of a log; the first has the number 0.
pub(crate) fn file_name(stream: LogStream, number: u64) -> String {
    let first = stream.file_name();
    if number == 0 {
        return first.to_owned();
    }
    format!("{}.{number}.log", first.trim_end_matches(".log"))
}

/// One file of a log.
#[derive(Debug)]
struct Segment<F> {
    file: F,
    /// 0 is `stdout.log`, 7 is `stdout.7.log`.
    number: u64,
    /// The capacity of the file in bytes, without a final note about missing bytes.
    size: u64,
    /// The length of the file in bytes, without a final note.
    used: u64,
    /// How many of these bytes are output.
    output: u64,
    /// The position of the file's first byte in the output.
    start: u64,
    /// Whether the last line of the file is complete.
    ends_line: bool,
}

impl<F: DiskFile> Segment<F> {
    fn is_full(&self) -> bool {
        self.used >= self.size
    }

    /// Writes some of the bytes, as far as the capacity allows. Returns how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.size.saturating_sub(self.used)).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(room)];
        let count = self.file.write_at(bytes, self.used)?;
        if let Some(last) = bytes[..count].last() {
            self.ends_line = *last == b'\n';
        }
        self.used += count as u64;
        self.output += count as u64;
        Ok(count)
    }

    /// Writes a note at the end of the file without moving the end: the next write overwrites the note, unless the
    /// caller adds its length to `used`. Returns the length.
    fn note(&self, text: &str) -> io::Result<u64> {
        let before = if self.ends_line { "" } else { "\n" };
        let line = format!("{before}[chutes: {text}]\n");
        self.file.write_all_at(line.as_bytes(), self.used)?;
        Ok(line.len() as u64)
    }
}

/// Writes the log of one stream.
///
/// Writing never fails: a full disk must not stop the job. Bytes that cannot be written are counted, and a note of
/// their number is written as soon as the disk has room.
#[derive(Debug)]
pub struct LogWriter<D: Disk = Dir> {
    disk: D,
    stream: LogStream,
    cap: LogCap,
    index: StreamIndex,
    /// The file with the beginning of the output.
    head: Segment<D::File>,
    /// The position in the output at which the head became full.
    head_end: u64,
    /// The files with the end of the output: at most two, the newer one last.
    tail: VecDeque<Segment<D::File>>,
    /// The number of the next file.
    number: u64,
    /// How many bytes of output there were.
    position: u64,
    /// How many of them are in the files.
    kept: u64,
    /// How many bytes could not be written since the last successful write, and why.
    unwritten: u64,
    cause: String,
    /// How many bytes are missing after the head according to its note.
    noted: u64,
}

impl LogWriter {
    /// Begins the log of a stream in a folder that has no log of it.
    pub fn create(logs: &Logs, stream: LogStream, cap: LogCap) -> io::Result<Self> {
        let index = logs.index.of(stream).clone();
        Self::create_on(logs.folder.try_clone()?, stream, cap, index)
    }
}

impl<D: Disk> LogWriter<D> {
    fn create_on(disk: D, stream: LogStream, cap: LogCap, index: StreamIndex) -> io::Result<Self> {
        let (file, size) = (disk.create(&file_name(stream, 0))?, cap.head());
        let head = Segment { file, number: 0, size, used: 0, output: 0, start: 0, ends_line: true };
        Ok(Self {
            disk,
            stream,
            cap,
            index,
            head,
            head_end: 0,
            tail: VecDeque::new(),
            number: 1,
            position: 0,
            kept: 0,
            unwritten: 0,
            cause: String::new(),
            noted: 0,
        })
    }

    /// Writes output.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.write_some(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.position += bytes.len() as u64;
                    self.unwritten += bytes.len() as u64;
                    self.cause = error.to_string();
                    return;
                }
            }
        }
    }

    /// How many bytes of the output are in no file, because of the cap or of a write error.
    pub fn dropped(&self) -> u64 {
        self.position - self.kept
    }

    /// Writes the notes that are still missing in the files. Returns how many bytes are missing, as
    /// [`Self::dropped`] does.
    pub fn finish(mut self) -> u64 {
        self.note_dropped();
        if self.unwritten > 0 {
            // A disk that is still full cannot take the note; the returned number has these bytes.
            let _ = self.make_room().and_then(|()| self.note_unwritten());
        }
        self.index.end();
        self.dropped()
    }

    fn current(&mut self) -> &mut Segment<D::File> {
        self.tail.back_mut().unwrap_or(&mut self.head)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.make_room()?;
        self.note_unwritten()?;
        if self.current().is_full() {
            return Ok(0);
        }
        let current = self.current();
        let (file, position) = (current.number, current.used);
        let count = current.write(bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let length = count as u64;
        self.index.add(Extent { file, position, offset: self.position, length });
        self.position += length;
        self.kept += length;
        Ok(count)
    }

    /// Notes in the current file how many bytes could not be written before.
    fn note_unwritten(&mut self) -> io::Result<()> {
        if self.unwritten == 0 {
            return Ok(());
        }
        let (bytes, cause) = (self.unwritten, &self.cause);
        let text = format!("{bytes} bytes of output could not be written here: {cause}");
        let segment = self.current();
        match segment.note(&text) {
            Ok(length) => {
                segment.used += length;
                segment.ends_line = true;
                self.unwritten = 0;
                Ok(())
            }
            Err(error) => {
                // Part of a note would be misleading.
                let _ = segment.file.cut(segment.used);
                Err(error)
            }
        }
    }

    /// Makes sure that the current file is not full: otherwise begins another one, and removes the oldest of the
    /// tail if there are two.
    fn make_room(&mut self) -> io::Result<()> {
        if !self.current().is_full() {
            return Ok(());
        }
        if self.tail.len() > 1 {
            self.drop_oldest();
        }
        let number = self.number;
        let created = self.disk.create(&file_name(self.stream, number));
        let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        if created.as_ref().err().is_none_or(is_taken) {
            // A file that the job has put there keeps its name; the next attempt takes the next number.
            self.number += 1;
        }
        let (file, size) = (created?, self.cap.segment());
        // Bytes that could not be written since the last file became full are noted in the new one.
        let start = self.position - self.unwritten;
        if self.tail.is_empty() {
            self.head_end = start;
        }
        let ends_line = self.current().ends_line;
        self.tail.push_back(Segment { file, number, size, used: 0, output: 0, start, ends_line });
        Ok(())
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.tail.pop_front() else { return };
        self.kept -= oldest.output;
        self.index.remove(oldest.number);
        self.note_dropped();
        if self.disk.remove(&file_name(self.stream, oldest.number)).is_err() {
            // The job has moved the file or revoked the permission to remove it: it is emptied instead.
            let _ = oldest.file.cut(0);
        }
        // A full disk may have room for the note now.
        self.note_dropped();
    }

    /// Notes at the end of the head how many bytes are missing there, in place of an earlier note.
    fn note_dropped(&mut self) {
        let Some(oldest) = self.tail.front() else { return };
        let dropped = oldest.start - self.head_end;
        if dropped > self.noted {
            let name = file_name(self.stream, oldest.number);
            let text = format!("{dropped} bytes of output were dropped here, it goes on in {name}");
            if self.head.note(&text).is_ok() {
                self.noted = dropped;
            }
        }
    }
}
