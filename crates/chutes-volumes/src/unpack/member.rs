//! A member of a zip file, and whether its own record allows to unpack it.

use chutes_core::{Escaped, RelativePath};
use rustix::fs::FileType;
use zip::CompressionMethod;
use zip::read::ZipFileEntry;

use crate::VolumeError;

/// Folders that are nested deeper than this are refused.
const MAX_DEPTH: usize = 100;

/// How much of a name is shown.
const SHOWN_CHARACTERS: usize = 200;

/// A member that may be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
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
    /// Checks what the archive says of a member.
    pub(super) fn read(entry: &ZipFileEntry<'_>) -> Result<Self, VolumeError> {
        let raw = entry.name_raw();
        let refused = |problem: &str| {
            let name = shown(raw);
            Err(VolumeError::download_failed(format!("{name} in the zip file {problem}")))
        };
        let Ok(name) = std::str::from_utf8(raw) else {
            return refused("has a name that is not UTF-8");
        };
        // Only the one slash that says that this is a folder.
        let folder = name.strip_suffix('/');
        let path = match RelativePath::new(folder.unwrap_or(name)) {
            Ok(path) => path,
            Err(error) => return refused(error.problem),
        };
        if path.components().count() > MAX_DEPTH {
            return refused("is in more than 100 folders");
        }
        // The upper half is the mode, whatever system the archive says it is from.
        let mode = entry.external_attributes() >> 16;
        if let Some(problem) = kind_problem(mode, folder.is_some()) {
            return refused(problem);
        }
        if entry.encrypted() {
            return refused("is encrypted: pack it without a password");
        }
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return refused("is compressed by a method that is not supported: use deflate");
        }
        if folder.is_some() && entry.size() > 0 {
            return refused("is a folder with content");
        }
        let is_executable = mode & 0o111 != 0;
        let kind = if folder.is_some() { Kind::Folder } else { Kind::File { is_executable } };
        Ok(Self { path, kind, bytes: entry.size(), packed_bytes: entry.compressed_size() })
    }

    /// The name, for messages.
    pub(super) fn shown(&self) -> String {
        shown(self.path.as_str().as_bytes())
    }
}

/// What is wrong with the kind of file that the mode names, if it names one.
fn kind_problem(mode: u32, is_folder: bool) -> Option<&'static str> {
    match FileType::from_raw_mode(mode) {
        FileType::Symlink => Some("is a symbolic link: pack the file that it leads to"),
        FileType::Fifo => Some("is a named pipe"),
        FileType::Socket => Some("is a socket"),
        FileType::CharacterDevice => Some("is a character device"),
        FileType::BlockDevice => Some("is a block device"),
        FileType::Directory if !is_folder => Some("is a folder whose name does not end with `/`"),
        FileType::Unknown if mode & 0o170_000 != 0 => Some("is of an unknown kind"),
        FileType::Directory | FileType::RegularFile | FileType::Unknown => None,
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
