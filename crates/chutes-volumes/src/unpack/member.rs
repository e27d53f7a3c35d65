//! A member of a zip file, and whether its own record allows to unpack it.

use chutes_core::{Escaped, RelativePath};
use rustix::fs::FileType;
use zip::CompressionMethod;
use zip::read::ZipFileEntry;

use super::spelling::{Spelled, spelled};
use crate::VolumeError;

/// Folders that are nested deeper than this are refused.
const MAX_DEPTH: usize = 100;

/// How much of a name is shown.
const SHOWN_CHARACTERS: usize = 200;

/// A member that may be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its place in the archive.
    pub(super) index: usize,
    pub(super) path: RelativePath,
    pub(super) kind: Kind,
    /// How large the archive says that it is.
    pub(super) bytes: u64,
    /// How much of the archive it is.
    pub(super) packed_bytes: u64,
}

/// What a member becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File { is_executable: bool },
}

impl Member {
    /// Checks what the archive says of the member in this place; `None` for one that is always there.
    pub(super) fn read(
        index: usize,
        entry: &ZipFileEntry<'_>,
    ) -> Result<Option<Self>, VolumeError> {
        let raw = entry.name_raw();
        let refused = |problem: &str| {
            let name = shown(raw);
            Err(VolumeError::download_failed(format!("{name} in the zip file {problem}")))
        };
        let (path, is_folder) = match spelled(entry) {
            Ok(Spelled::Root) if entry.size() == 0 => return Ok(None),
            Ok(Spelled::Root) => return refused("is a folder with content"),
            Ok(Spelled::Folder(path)) => (path, true),
            Ok(Spelled::File(path)) => (path, false),
            Err(problem) => return refused(problem),
        };
        if path.components().count() > MAX_DEPTH {
            return refused("is in more than 100 folders");
        }
        // The upper half is the mode, whatever system the archive says it is from.
        let mode = entry.external_attributes() >> 16;
        // A program that packs what it reads from a pipe, a socket or a device names that kind of file in the mode:
        // what was read is a plain file.
        let kind = FileType::from_raw_mode(mode);
        if kind == FileType::Symlink {
            return refused("is a symbolic link: pack the file that it leads to");
        }
        // The slash of a folder may be missing.
        let is_folder = is_folder || kind == FileType::Directory && entry.size() == 0;
        if entry.encrypted() {
            return refused("is encrypted: pack it without a password");
        }
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return refused("is compressed by a method that is not supported: use deflate");
        }
        if is_folder && entry.size() > 0 {
            return refused("is a folder with content");
        }
        let is_executable = mode & 0o111 != 0;
        let kind = if is_folder { Kind::Folder } else { Kind::File { is_executable } };
        let (bytes, packed_bytes) = (entry.size(), entry.compressed_size());
        Ok(Some(Self { index, path, kind, bytes, packed_bytes }))
    }

    /// The name, for messages.
    pub(super) fn shown(&self) -> String {
        shown(self.path.as_str().as_bytes())
    }
}

/// A name as it is shown: on one line, and not too much of it.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut letters = text.chars();
    let begin: String = letters.by_ref().take(SHOWN_CHARACTERS).collect();
    let more = if letters.next().is_some() { "…" } else { "" };
    format!("`{}{more}`", Escaped(&begin))
}
