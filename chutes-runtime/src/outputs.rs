//! Collecting files: every regular file below a directory, with its checksum.
//!
//! The job may still be there, and it is not trusted: links are never followed, nothing outside of the
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
pub(crate) use self::walk::FoundFile;
use self::walk::{Bounds, Listing};
use crate::sink::Stamp;

/// Is told how far collecting has come. Tests use it to change files at the very moment.
type Watch<'a> = &'a (dyn Fn(Moment, &OutputPath) + Sync);

/// A moment at which files can be exchanged behind our back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// A folder was opened and will be listed.
    FolderOpened,
    /// The names in a folder are known and will be looked at.
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
pub(crate) struct Collection {
    /// All entries, sorted by path.
    pub(crate) files: Vec<OutputFile>,
    /// By what it is seen that a file still has the content of its checksum.
    pub(crate) stamps: HashMap<OutputPath, Stamp>,
}

/// Takes stock of all entries below a directory. When `stop` becomes true, what is left is listed as not
/// collected.
pub(crate) fn collect(directory: io::Result<Dir>, stop: &AtomicBool) -> Collection {
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
    let mut collection = Collection { files: others, stamps: HashMap::new() };
    for (file, stamp) in checksum::all(&root, files, stop, watch) {
        collection.stamps.extend(stamp.map(|stamp| (file.path.clone(), stamp)));
        collection.files.push(file);
    }
    collection.files.sort_by(|a, b| a.path.cmp(&b.path));
    // A folder that is changed while it is listed may name an entry twice.
    collection.files.dedup();
    collection
}

impl Collection {
    /// When nothing could even be looked at.
    pub(crate) fn lost(reason: &str) -> Self {
        Self { files: vec![failed(OutputPath::root(), reason)], stamps: HashMap::new() }
    }
}

/// The regular files below a directory, in no particular order, without reading them. It is a look at
/// what is there, not proof of what is missing: problems are left to [`collect`]. When `stop` becomes
/// true, what was found so far is enough.
pub(crate) fn scan(root: &Dir, stop: &AtomicBool) -> Vec<FoundFile> {
    walk::list(root, stop, Bounds::default(), &|_, _| {}).files
}

/// Reads one file below a directory: the state that [`collect`] would give it.
pub(crate) fn checksum(root: &Dir, path: &OutputPath, stop: &AtomicBool) -> FileState {
    Checksummer::new(root, stop, &|_, _| {}).state_of(path).0
}

/// Opens a regular file below a directory for reading from its beginning.
///
/// No part of the path may be a link. A pipe or a device that has taken the place of the file is
/// refused without waiting for it.
pub(crate) fn open_below(root: &Dir, path: &OutputPath) -> io::Result<File> {
    let (file, stamp) = open::file_below(root, path)?;
    if stamp.is_file() {
        return Ok(file);
    }
    let message = format!("not a regular file but {}", open::kind_name(stamp.kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn failed(path: OutputPath, reason: impl Into<String>) -> OutputFile {
    OutputFile::new(path, FileState::Failed { reason: reason.into() })
}
