//! Lists all folders below a directory.
//!
//! One file descriptor is open for each folder on the way down, so their number is bounded by the
//! depth, and what is remembered is bounded by [`Bounds`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;
use chutes_core::{FileState, OutputFile, OutputPath};
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::open::{self, FileStat, kind_name};
use super::{Moment, Watch, failed};

/// Folders that are nested deeper than this are reported, not entered.
const MAX_DEPTH: usize = 100;

/// How much of a folder is listed at a time, in bytes.
const LISTED: usize = 32 * 1024;

/// How much is listed at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The number of entries: files, folders and everything else.
    pub(super) entries: usize,
    /// The length of all their paths together: a million of long paths would not fit into memory.
    pub(super) path_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 1_000_000, path_bytes: 256 * 1024 * 1024 }
    }
}

impl Bounds {
    /// Why not everything is listed.
    fn reason(self) -> String {
        let (entries, mebibytes) = (self.entries, self.path_bytes / (1024 * 1024));
        format!(
            "more than {entries} entries, or {mebibytes} MiB of paths: the rest was not collected"
        )
    }
}

/// A regular file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Its path below the directory.
    pub path: OutputPath,
    /// Its size.
    pub bytes: u64,
    /// When it was last written: nanoseconds since 1970.
    pub modified: i128,
    /// Its number in its file system.
    pub inode: u64,
}

/// All entries below a directory, in no particular order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What is to be read.
    pub(super) files: Vec<FoundFile>,
    /// What is not a file, and what could not be examined.
    pub(super) others: Vec<OutputFile>,
}

/// Lists everything. When `stop` becomes true, files and folders that were not examined before are
/// reported.
pub(super) fn list(root: &Dir, stop: &AtomicBool, bounds: Bounds, watch: Watch<'_>) -> Listing {
    let listing = Listing::default();
    let mut walk = Walk { stop, watch, bounds, entries: 0, path_bytes: 0, full: false, listing };
    walk.folder(root.as_fd(), b".", OutputPath::root(), 0);
    walk.listing
}

struct Walk<'a> {
    stop: &'a AtomicBool,
    watch: Watch<'a>,
    bounds: Bounds,
    entries: usize,
    path_bytes: usize,
    /// Whether the bounds were reached, which was reported then.
    full: bool,
    listing: Listing,
}

/// An entry of a folder: its name, and what it seems to be.
type Entry = (Box<[u8]>, FileType);

impl Walk<'_> {
    fn folder(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: OutputPath, depth: usize) {
        if self.full {
            return;
        }
        if depth > MAX_DEPTH {
            return self.failed(path, format!("more than {MAX_DEPTH} folders deep"));
        }
        let folder = match open::folder_in(parent, name) {
            Ok(folder) => folder,
            Err(error) => return self.failed(path, why_not_listed(&error)),
        };
        (self.watch)(Moment::FolderOpened, &path);
        let entries = self.entries(&folder, &path);
        (self.watch)(Moment::FolderListed, &path);
        for (name, kind) in entries {
            match path.join(&name) {
                Ok(path) => self.entry(folder.as_fd(), &name, kind, path, depth),
                Err(error) => self.failed(path.clone(), format!("impossible name: {error}")),
            }
        }
    }

    /// Reads the names of a folder to its end before anything is opened in it.
    fn entries(&mut self, folder: &OwnedFd, path: &OutputPath) -> Vec<Entry> {
        let mut found = Vec::new();
        let mut buffer = Vec::with_capacity(LISTED);
        let mut entries = RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => {
                    let name = entry.file_name().to_bytes();
                    if matches!(name, b"." | b"..") {
                        continue;
                    }
                    if !self.has_room(path.as_bytes().len() + 1 + name.len()) {
                        break;
                    }
                    found.push((name.into(), entry.file_type()));
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.failed(path.clone(), why_not_listed(&error.into()));
                    break;
                }
            }
        }
        found
    }

    /// Counts an entry, unless there are too many.
    fn has_room(&mut self, path_bytes: usize) -> bool {
        if self.full {
            return false;
        }
        self.entries += 1;
        self.path_bytes += path_bytes;
        self.full = self.entries > self.bounds.entries || self.path_bytes > self.bounds.path_bytes;
        if self.full {
            self.listing.others.push(failed(OutputPath::root(), self.bounds.reason()));
        }
        !self.full
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        kind: FileType,
        path: OutputPath,
        depth: usize,
    ) {
        let stopped = self.stop.load(Ordering::Relaxed);
        match kind {
            FileType::Directory if stopped => {
                self.failed(path, "collecting was stopped before this folder");
            }
            FileType::Directory => self.folder(folder, name, path, depth + 1),
            FileType::RegularFile | FileType::Unknown if stopped => {
                self.failed(path, "collecting was stopped before this file");
            }
            // Not all file systems list the kinds of entries.
            FileType::RegularFile | FileType::Unknown => match open::stat_in(folder, name) {
                Ok(stat) if stat.kind == FileType::Directory => {
                    self.folder(folder, name, path, depth + 1);
                }
                Ok(stat) if stat.is_file() => self.file(path, &stat),
                Ok(stat) => self.skipped(path, stat.kind),
                Err(error) if open::is_gone(&error) => {
                    self.failed(path, "it vanished before it could be read");
                }
                Err(error) => self.failed(path, format!("cannot be examined: {error}")),
            },
            kind => self.skipped(path, kind),
        }
    }

    fn file(&mut self, path: OutputPath, stat: &FileStat) {
        let FileStat { bytes, modified, inode, .. } = *stat;
        self.listing.files.push(FoundFile { path, bytes, modified, inode });
    }

    fn failed(&mut self, path: OutputPath, reason: impl Into<String>) {
        self.listing.others.push(failed(path, reason));
    }

    fn skipped(&mut self, path: OutputPath, kind: FileType) {
        let reason = if kind == FileType::Symlink {
            "a symbolic link is never followed".to_owned()
        } else {
            format!("not a regular file but {}", kind_name(kind))
        };
        self.listing.others.push(OutputFile::new(path, FileState::Skipped { reason }));
    }
}

fn why_not_listed(error: &io::Error) -> String {
    if open::is_gone(error) {
        "it vanished before it was listed".into()
    } else if open::is_something_else(error) {
        "it was replaced by something that is not a folder".into()
    } else {
        format!("cannot be listed: {error}")
    }
}
