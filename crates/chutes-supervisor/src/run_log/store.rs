//! Where the records of a run are kept.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::directory::RunRoot;
use crate::fault;

/// Where the records of a run are kept, in their order, for as long as the run is of interest.
pub(crate) trait LogStore: Debug + Send {
    /// Appends a whole line or nothing: part of a line, as a full disk leaves it, would hide all lines after it, and a
    /// line that may not be on disk must not turn up there later. `seq` is its number. A durable line is on disk when
    /// this returns.
    fn append(&mut self, seq: u64, line: &[u8], durable: bool) -> io::Result<()>;

    /// Makes sure that the records are found under their name, by which alone a recovery knows of the run. Returns
    /// whether they had to be written again.
    fn keep_name(&mut self) -> io::Result<bool>;
}

/// The file of a run's directory. It is locked for as long as this is there.
#[derive(Debug)]
pub(crate) struct LogFile {
    root: Arc<RunRoot>,
    file: File,
    /// The length of all whole lines, in bytes.
    length: u64,
    /// Whether the file may hold part of a line after the whole ones.
    torn: bool,
}

impl LogFile {
    /// A new file, opened for appending and locked.
    pub(crate) fn new(root: Arc<RunRoot>, file: File) -> Self {
        Self { root, file, length: 0, torn: false }
    }

    /// A file with lines of this length. What comes after them is cut off, so the caller has saved it elsewhere if it is
    /// to be kept.
    pub(crate) fn resume(root: Arc<RunRoot>, file: File, length: u64) -> io::Result<Self> {
        file.set_len(length)?;
        file.sync_data()?;
        Ok(Self { root, file, length, torn: false })
    }
}

impl LogStore for LogFile {
    fn append(&mut self, seq: u64, line: &[u8], durable: bool) -> io::Result<()> {
        fault::before(seq, line, &self.file)?;
        if self.torn {
            self.file.set_len(self.length)?;
        }
        let mut written = self.file.write_all(line);
        if durable && written.is_ok() {
            written = self.file.sync_data();
        }
        if written.is_ok() {
            self.length += line.len() as u64;
        }
        self.torn = written.is_err() && self.file.set_len(self.length).is_err();
        written?;
        fault::after(seq)
    }

    fn keep_name(&mut self) -> io::Result<bool> {
        if self.root.is_log(&self.file)? {
            return Ok(false);
        }
        let length = usize::try_from(self.length).map_err(io::Error::other)?;
        let mut content = vec![0; length];
        self.file.read_exact_at(&mut content, 0)?;
        self.file = self.root.restore_log(&content)?;
        self.torn = false;
        Ok(true)
    }
}
