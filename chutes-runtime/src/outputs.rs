//! Collecting outputs: every regular file below the output directory, with its checksum.
//!
//! The job may still be there, and it is not trusted: links are never followed, and nothing outside
//! of the directory can be reached, whatever is exchanged while the files are read.

#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, DirEntry, OpenOptions};
use chutes_core::{FileState, OutputFile, Sha256Digest};
use sha2::{Digest, Sha256};

/// Folders that are nested deeper than this are reported, not entered.
const MAX_DEPTH: usize = 100;

const CHANGED: &str = "it was changed while it was read";

/// How much of a file is read at a time, in bytes.
const CHUNK: usize = 256 * 1024;

/// Takes stock of all entries below a directory, sorted by path. When `stop` becomes true, what is
/// left is listed as not collected.
pub(crate) fn collect(directory: io::Result<Dir>, stop: &AtomicBool) -> Vec<OutputFile> {
    let mut walk = Walk { stop, files: Vec::new(), buffer: vec![0; CHUNK] };
    match directory {
        Ok(root) => walk.folder(&root, "", 0),
        Err(error) => walk.failed(".".into(), &reason("cannot be opened", &error)),
    }
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.files
}

/// The entry for outputs that could not even be looked at.
pub(crate) fn lost(reason: &str) -> OutputFile {
    OutputFile { path: ".".into(), state: FileState::Failed { reason: reason.into() } }
}

fn reason(what: &str, error: &io::Error) -> String {
    format!("{what}: {error}")
}

struct Walk<'a> {
    stop: &'a AtomicBool,
    files: Vec<OutputFile>,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    fn failed(&mut self, path: String, reason: &str) {
        self.files.push(OutputFile { path, state: FileState::Failed { reason: reason.into() } });
    }

    fn skipped(&mut self, path: String, reason: &str) {
        self.files.push(OutputFile { path, state: FileState::Skipped { reason: reason.into() } });
    }

    fn folder(&mut self, folder: &Dir, path: &str, depth: usize) {
        if depth > MAX_DEPTH {
            self.failed(path.into(), &format!("more than {MAX_DEPTH} folders deep"));
            return;
        }
        let entries = match folder.entries() {
            Ok(entries) => entries,
            Err(error) => return self.failed(path.into(), &reason("cannot be listed", &error)),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(folder, path, &entry, depth),
                Err(error) => self.failed(path.into(), &reason("cannot be listed", &error)),
            }
        }
    }

    fn entry(&mut self, folder: &Dir, parent: &str, entry: &DirEntry, depth: usize) {
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        let path = if parent.is_empty() { shown.into_owned() } else { format!("{parent}/{shown}") };
        if name.to_str().is_none() {
            return self.failed(path, "the file name is not valid UTF-8");
        }
        if self.stop.load(Ordering::Relaxed) {
            return self.failed(path, "collecting was stopped before this file");
        }
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return self.failed(path, &reason("cannot be examined", &error)),
        };
        if kind.is_dir() {
            match folder.open_dir_nofollow(&name) {
                Ok(below) => self.folder(&below, &path, depth + 1),
                Err(error) => self.failed(path, &reason("cannot be opened", &error)),
            }
        } else if kind.is_symlink() {
            self.skipped(path, "a symbolic link is never followed");
        } else if kind.is_file() {
            let state = self.file(folder, Path::new(&name));
            self.files.push(OutputFile { path, state });
        } else {
            self.skipped(path, "not a regular file");
        }
    }

    fn file(&mut self, folder: &Dir, name: &Path) -> FileState {
        match self.checksum(folder, name) {
            Ok(Ok((bytes, sha256))) => FileState::Collected { bytes, sha256 },
            Ok(Err(why)) => FileState::Failed { reason: why.into() },
            Err(error) => FileState::Failed { reason: reason("cannot be read", &error) },
        }
    }

    fn checksum(
        &mut self,
        folder: &Dir,
        name: &Path,
    ) -> io::Result<Result<(u64, Sha256Digest), &'static str>> {
        let mut file = folder.open_with(name, &read_only())?;
        let before = file.metadata()?;
        if !before.is_file() {
            return Ok(Err("it was replaced by something that is not a regular file"));
        }
        let mut hasher = Sha256::new();
        let mut bytes: u64 = 0;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Err("collecting was stopped within this file"));
            }
            match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&self.buffer[..count]);
                    bytes += count as u64;
                    // A file that grows as fast as it is read has no end.
                    if bytes > before.len() {
                        return Ok(Err(CHANGED));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let after = file.metadata()?;
        let unchanged = after.len() == bytes && before.len() == bytes;
        if !unchanged || after.modified()? != before.modified()? {
            return Ok(Err(CHANGED));
        }
        Ok(Ok((bytes, Sha256Digest::from_bytes(hasher.finalize().into()))))
    }
}

/// Opens neither a link nor, by waiting for a writer, a pipe that has taken the place of a file.
fn read_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    {
        use cap_fs_ext::OpenOptionsSyncExt;
        options.nonblock(true);
    }
    options
}
