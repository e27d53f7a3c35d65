//! Collecting files: every regular file below a directory, with its checksum.
//!
//! Processes of the job may still be alive, and are not trusted: links are never followed, nothing outside of the
//! directory can be reached, and what is exchanged while it is read is reported. First all folders are
//! listed (`walk`), then the files are read, several at a time (`checksum`). Both go by file
//! descriptors, part by part (`open`), so that no path is too long and a name can be any bytes.

mod checksum;
mod open;
mod walk;

#[cfg(test)]
mod measure;
#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::atomic::AtomicBool;

use cap_std::fs::Dir;
use chutes_core::{FileState, OutputFile, OutputPath};

use self::checksum::Checksummer;
pub use self::walk::FoundFile;
use self::walk::{Bounds, Listing};
use crate::Fingerprint;

/// Called with how far collecting has come. Tests use it to change files at the very moment.
type Watch<'a> = &'a (dyn Fn(Moment, &OutputPath) + Sync);

/// A moment at which the job can exchange files while they are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// A folder was opened and will be listed.
    FolderOpened,
    /// The names in a folder are known and the entries will be examined.
    FolderListed,
    /// A file was found and will be opened.
    FileFound,
    /// A file was opened and will be read.
    FileOpened,
    /// A file was read and will be compared with what it was before.
    FileRead,
}

/// What was found below a directory.
#[derive(Debug, Default)]
pub struct Collection {
    /// All entries, sorted by path.
    pub files: Vec<OutputFile>,
    /// The fingerprint of each file when its checksum was taken, where it says enough.
    pub fingerprints: HashMap<OutputPath, Fingerprint>,
}

/// Lists all entries below a directory, and takes the checksums of files. When `stop` becomes true, what is left is listed as not
/// collected.
#[must_use]
pub fn collect(directory: io::Result<Dir>, stop: &AtomicBool) -> Collection {
    collect_watched(directory, stop, Bounds::default(), &|_, _| {})
}

fn collect_watched(
    directory: io::Result<Dir>,
    stop: &AtomicBool,
    bounds: Bounds,
    watch: Watch<'_>,
) -> Collection {
    let root = match directory {
        Ok(root) => root,
        Err(error) => return Collection::lost(&format!("cannot be opened: {error}")),
    };
    let Listing { files, others } = walk::list(&root, stop, bounds, watch);
    let mut collection = Collection { files: others, fingerprints: HashMap::new() };
    for (file, fingerprint) in checksum::all(&root, files, stop, watch) {
        collection
            .fingerprints
            .extend(fingerprint.map(|fingerprint| (file.path.clone(), fingerprint)));
        collection.files.push(file);
    }
    collection.files.sort_by(|a, b| a.path.cmp(&b.path));
    // A folder that is changed while it is listed may name an entry twice.
    collection.files.dedup();
    collection
}

impl Collection {
    /// The collection when nothing could be listed.
    #[must_use]
    pub fn lost(reason: &str) -> Self {
        Self { files: vec![failed(OutputPath::root(), reason)], fingerprints: HashMap::new() }
    }
}

/// The regular files below a directory, in no particular order, without reading them. This shows what is
/// there, and proves nothing about what is missing: problems are left to [`collect`]. When `stop` becomes
/// true, what was found so far is returned.
#[must_use]
pub fn scan(root: &Dir, stop: &AtomicBool) -> Vec<FoundFile> {
    walk::list(root, stop, Bounds::default(), &|_, _| {}).files
}

/// Reads one file below a directory: the state that [`collect`] would give it.
#[must_use]
pub fn checksum(root: &Dir, path: &OutputPath, stop: &AtomicBool) -> FileState {
    Checksummer::new(root, stop, &|_, _| {}).state_of(path).0
}

/// Opens a regular file below a directory for reading from its beginning.
///
/// # Errors
///
/// When a part of the path is a link, and when a pipe or a device has taken the place of the file: it is
/// refused without waiting for it.
pub fn open_below(root: &Dir, path: &OutputPath) -> io::Result<File> {
    let (file, stat) = open::file_below(root, path)?;
    if stat.is_file() {
        return Ok(file);
    }
    let message = format!("not a regular file but {}", open::kind_name(stat.kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn failed(path: OutputPath, reason: impl Into<String>) -> OutputFile {
    OutputFile::new(path, FileState::Failed { reason: reason.into() })
}
