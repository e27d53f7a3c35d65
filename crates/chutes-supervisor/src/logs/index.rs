//! Where the output of a stream is in its files: for readers in the same process, while the job goes on.
//!
//! A reader asks for the output from an offset on, counted in bytes that the job has printed. Notes about missing bytes
//! are no output. Where bytes are missing, the next ones have a greater offset than expected.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use cap_std::fs::{Dir, OpenOptions};
use chutes_core::LogStream;
use tokio::sync::watch;

use super::file_name;
use crate::directory::open_regular;

/// How much is read at once, in bytes.
const CHUNK: u64 = 48 * 1024;

/// The output of both streams of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutputIndex {
    stdout: StreamIndex,
    stderr: StreamIndex,
}

impl OutputIndex {
    /// That of one stream.
    pub(crate) const fn of(&self, stream: LogStream) -> &StreamIndex {
        match stream {
            LogStream::Stdout => &self.stdout,
            LogStream::Stderr => &self.stderr,
        }
    }

    /// There is no more output, also if a stream has not come to its end.
    pub(crate) fn end(&self) {
        for stream in [&self.stdout, &self.stderr] {
            stream.end();
        }
    }
}

/// Where the output of one stream is.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamIndex(watch::Sender<Extents>);

#[derive(Debug, Default)]
struct Extents {
    /// In the order of the output.
    kept: Vec<Extent>,
    has_ended: bool,
}

/// Output that is kept in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The number of the file.
    pub(super) file: u64,
    /// The position in the file, in bytes.
    pub(super) position: u64,
    /// The offset in the output, in bytes.
    pub(super) offset: u64,
    /// How many bytes there are.
    pub(super) length: u64,
}

impl Extent {
    const fn end(&self) -> u64 {
        self.offset + self.length
    }

    const fn is_followed_by(&self, next: &Self) -> bool {
        self.file == next.file
            && self.position + self.length == next.position
            && self.end() == next.offset
    }
}

impl StreamIndex {
    /// The output that is kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> Vec<Extent> {
        self.0.borrow().kept.clone()
    }

    /// Output has been written.
    pub(super) fn add(&self, new: Extent) {
        self.0.send_modify(|extents| match extents.kept.last_mut() {
            Some(last) if last.is_followed_by(&new) => last.length += new.length,
            _ => extents.kept.push(new),
        });
    }

    /// A file is removed.
    pub(super) fn remove(&self, file: u64) {
        self.0.send_modify(|extents| extents.kept.retain(|extent| extent.file != file));
    }

    /// There is no more output.
    pub(super) fn end(&self) {
        self.0.send_modify(|extents| extents.has_ended = true);
    }

    /// Reads the output from this offset on.
    pub(crate) fn read(&self, logs: Dir, stream: LogStream, offset: u64) -> OutputReader {
        OutputReader { extents: self.0.subscribe(), logs, stream, offset, open: None }
    }
}

/// Output that follows itself, with the offset of its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Reads the output of a stream, and waits for more.
#[derive(Debug)]
pub(crate) struct OutputReader {
    extents: watch::Receiver<Extents>,
    logs: Dir,
    stream: LogStream,
    /// The offset of the next byte.
    offset: u64,
    /// The file that was read last, with its number.
    open: Option<(u64, File)>,
}

/// What is known of the output from an offset on.
enum Next {
    /// There is some.
    Kept(Extent),
    /// There is none yet.
    NotYet,
    /// There will be none.
    Never,
}

impl OutputReader {
    /// The next output; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Chunk> {
        loop {
            match self.find() {
                Next::Kept(extent) => {
                    let bytes = self.read(&extent).unwrap_or_default();
                    // A job may remove its logs, and a file may have been removed by now: that output is missing.
                    let is_missing = bytes.is_empty();
                    let length = if is_missing { extent.length } else { bytes.len() as u64 };
                    self.offset = extent.offset + length;
                    if !is_missing {
                        return Some(Chunk { offset: extent.offset, bytes });
                    }
                }
                Next::Never => return None,
                Next::NotYet => self.extents.changed().await.ok()?,
            }
        }
    }

    /// Finds the output from the current offset on.
    fn find(&mut self) -> Next {
        let extents = self.extents.borrow_and_update();
        let at = extents.kept.partition_point(|extent| extent.end() <= self.offset);
        let Some(extent) = extents.kept.get(at) else {
            return if extents.has_ended { Next::Never } else { Next::NotYet };
        };
        let skipped = self.offset.saturating_sub(extent.offset);
        Next::Kept(Extent {
            position: extent.position + skipped,
            offset: extent.offset + skipped,
            length: extent.length - skipped,
            ..*extent
        })
    }

    /// Reads the beginning of an extent.
    fn read(&mut self, extent: &Extent) -> io::Result<Vec<u8>> {
        if self.open.as_ref().is_none_or(|(number, _)| *number != extent.file) {
            let mut options = OpenOptions::new();
            options.read(true);
            let name = file_name(self.stream, extent.file);
            self.open = Some((extent.file, open_regular(&self.logs, &name, &options)?));
        }
        let Some((_, file)) = &self.open else { return Ok(Vec::new()) };
        let mut bytes = vec![0; usize::try_from(extent.length.min(CHUNK)).unwrap_or_default()];
        let count = file.read_at(&mut bytes, extent.position)?;
        bytes.truncate(count);
        Ok(bytes)
    }
}
