//! Reads files for their checksums, several files at a time.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::SystemTime;

use cap_std::fs::Dir;
use chutes_core::{FileState, OutputFile, OutputPath, Sha256Digest, Sha256Hasher};

use super::open::{self, FileStat, kind_name};
use super::walk::FoundFile;
use super::{Moment, Watch};
use crate::Fingerprint;

/// How much of a file is read at a time, in bytes.
const CHUNK: usize = 256 * 1024;

/// How many files are read at a time, at most: more would only compete for the disk.
const MAX_THREADS: usize = 4;

/// Files of this size, in bytes, are read before the others: a large one that is begun last would be waited for.
const LARGE: u64 = 64 * 1024 * 1024;

/// Another thread is started for this many bytes: fewer are read before it could begin.
const PER_THREAD: u64 = 1024 * 1024;

/// Another thread is also started for this many files, whatever their size.
const FILES_PER_THREAD: usize = 32;

const CHANGED: &str = "it was changed while it was read";

/// Reads all files.
pub(super) fn all(
    root: &Dir,
    mut files: Vec<FoundFile>,
    stop: &AtomicBool,
    watch: Watch<'_>,
) -> Vec<(OutputFile, Option<Fingerprint>)> {
    files.sort_by_key(|file| std::cmp::Reverse(if file.bytes < LARGE { 0 } else { file.bytes }));
    let helpers = helpers(&files);
    let files = Mutex::new(files.into_iter());
    let next = || files.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut reader = Checksummer::new(root, stop, watch);
        let settle = |file: FoundFile| {
            let (state, fingerprint) = reader.state_of(&file.path);
            (OutputFile::new(file.path, state), fingerprint)
        };
        std::iter::from_fn(next).map(settle).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        // A thread that the system refuses is not needed: this one does the work, if need be alone.
        let start = |_| thread::Builder::new().name("collect".into()).spawn_scoped(scope, work);
        let helpers: Vec<_> = (0..helpers).map_while(|index| start(index).ok()).collect();
        let mut done = work();
        for helper in helpers {
            done.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    })
}

/// How many threads help with these files.
fn helpers(files: &[FoundFile]) -> usize {
    let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
    let by_bytes = usize::try_from(bytes / PER_THREAD).unwrap_or(usize::MAX);
    let wanted = by_bytes.max(files.len() / FILES_PER_THREAD).min(files.len().saturating_sub(1));
    if wanted == 0 {
        // Asking for the number of processors reads files of its own.
        return 0;
    }
    let threads = available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    wanted.min(threads.saturating_sub(1))
}

/// Reads files one after the other.
pub(super) struct Checksummer<'a> {
    root: &'a Dir,
    stop: &'a AtomicBool,
    watch: Watch<'a>,
    buffer: Vec<u8>,
}

impl<'a> Checksummer<'a> {
    pub(super) fn new(root: &'a Dir, stop: &'a AtomicBool, watch: Watch<'a>) -> Self {
        Self { root, stop, watch, buffer: vec![0; CHUNK] }
    }

    /// Reads a file, or says why not. The fingerprint is that of the content that was read.
    pub(super) fn state_of(&mut self, path: &OutputPath) -> (FileState, Option<Fingerprint>) {
        match self.checksum(path) {
            Ok((bytes, sha256, fingerprint)) => {
                (FileState::Collected { bytes, sha256 }, fingerprint)
            }
            Err(reason) => (FileState::Failed { reason }, None),
        }
    }

    fn checksum(
        &mut self,
        path: &OutputPath,
    ) -> Result<(u64, Sha256Digest, Option<Fingerprint>), String> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("collecting was stopped before this file".into());
        }
        (self.watch)(Moment::FileFound, path);
        let opened = open::file_below(self.root, path);
        let (file, before) = opened.map_err(|error| why_not_there(&error, "before it could be"))?;
        if !before.is_file() {
            return Err(format!("it was replaced by {}", kind_name(before.kind)));
        }
        (self.watch)(Moment::FileOpened, path);
        let sha256 = self.content(&file, before.bytes)?;
        (self.watch)(Moment::FileRead, path);
        let after = file.metadata().map_err(|error| unreadable(&error))?;
        self.compare(&FileStat::from(&after), path, &before)?;
        Ok((before.bytes, sha256, Fingerprint::settled(&after, SystemTime::now())))
    }

    /// The checksum of a file that has this size.
    fn content(&mut self, mut file: &File, size: u64) -> Result<Sha256Digest, String> {
        let mut hasher = Sha256Hasher::new();
        let mut bytes: u64 = 0;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err("collecting was stopped within this file".into());
            }
            match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&self.buffer[..count]);
                    bytes += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
            // A file that grows as fast as it is read has no end.
            if bytes > size {
                return Err(CHANGED.into());
            }
        }
        if bytes != size {
            return Err(CHANGED.into());
        }
        Ok(hasher.finish())
    }

    /// Makes sure that what was read is what the path stands for, and was so all the time.
    fn compare(
        &self,
        after: &FileStat,
        path: &OutputPath,
        before: &FileStat,
    ) -> Result<(), String> {
        if !after.is_same_content(before) {
            return Err(CHANGED.into());
        }
        let there = open::stat_below(self.root, path);
        let there = there.map_err(|error| why_not_there(&error, "while it was"))?;
        if !there.is_same_file(before) {
            return Err("it was replaced while it was read".into());
        }
        Ok(())
    }
}

fn why_not_there(error: &io::Error, when: &str) -> String {
    if open::is_gone(error) {
        format!("it vanished {when} read")
    } else if open::is_something_else(error) {
        format!("it, or a folder above it, was replaced {when} read")
    } else {
        unreadable(error)
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_started_for_work_that_is_worth_it() {
        let cores = available_parallelism().map_or(1, NonZero::get);
        for (sizes, expected) in [
            (vec![], 0),
            (vec![0, 0], 0),
            (vec![PER_THREAD * 100], 0),
            (vec![PER_THREAD - 1, 0], 0),
            (vec![PER_THREAD, 0], 1),
            (vec![u64::MAX; 2], 1),
            (vec![0; FILES_PER_THREAD - 1], 0),
            (vec![0; FILES_PER_THREAD], 1),
            (vec![PER_THREAD; 100], MAX_THREADS - 1),
        ] {
            let file = |(number, bytes): (usize, &u64)| FoundFile {
                path: OutputPath::new(number.to_string()).unwrap(),
                bytes: *bytes,
                modified: 0,
                inode: 0,
            };
            let files: Vec<_> = sizes.iter().enumerate().map(file).collect();
            assert_eq!(helpers(&files), expected.min(cores - 1), "{sizes:?}");
        }
    }
}
