//! Local folders that files are delivered to: opened without following links, made when they are
//! missing, and files that appear in them in one step.

mod sync;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use chutes_core::{Escaped, FileKind, OutputPath};
use chutes_transfer::TransferError;

pub(super) use self::sync::{sync, sync_file_system, syncs_at_once};
use super::blocking::{Abandoned, failed};

/// Makes the names of test files differ: several sinks may check one folder at the same time.
static PROBES: AtomicU64 = AtomicU64::new(0);

/// Opens a directory outside of the directory of the run, and makes it, with its parents, when it is
/// not there.
///
/// Files in the directory of the run would be collected in their turn, or replace what they are copies
/// of.
pub(super) fn prepare(path: &Path, run_root: &Path) -> Result<Dir, TransferError> {
    let shown = Escaped(&path.to_string_lossy()).to_string();
    let cannot = |what| {
        let shown = shown.clone();
        move |error: io::Error| failed(&format!("cannot {what} the directory `{shown}`"), &error)
    };
    // The directory of a run that has not begun is not there yet, and may be given as a relative path.
    let run_root = std::path::absolute(run_root).map_err(cannot("compare"))?;
    let run_root = without_links(&run_root).unwrap_or(run_root);
    let refuse = |path: Option<PathBuf>| match path {
        Some(path) if path.starts_with(&run_root) => Err(TransferError::permanent(format!(
            "the directory `{shown}` is in the directory of the run itself: choose one outside of it"
        ))),
        _ => Ok(()),
    };
    let path = std::path::absolute(path).map_err(cannot("use"))?;
    refuse(without_links(&path))?;
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder.create(&path).map_err(cannot("make"))?;
    refuse(path.canonicalize().ok())?;
    let folder = Dir::open_ambient_dir(&path, ambient_authority()).map_err(cannot("open"))?;
    // A directory that cannot be written is one error here, not one for each file.
    let probe = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe: OsString = format!(".chutes-probe-{}-{probe}.part", std::process::id()).into();
    create(&folder, &probe)
        .and_then(|_| folder.remove_file(&probe))
        .map_err(cannot("write into"))?;
    Ok(folder)
}

/// The path with all links resolved, as far as it exists.
fn without_links(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    })
}

/// Opens a folder below `outputs` or `logs`. What is missing is made, for the owner only.
pub(super) fn open(root: &Dir, kind: FileKind, folder: &[u8]) -> io::Result<Dir> {
    descend(root, kind, folder, open_part)
}

/// Goes part by part to a folder below `outputs` or `logs`, by a function that opens each in the one above it.
fn descend(
    root: &Dir,
    kind: FileKind,
    folder: &[u8],
    open_part: impl Fn(&Dir, &OsStr) -> io::Result<Dir>,
) -> io::Result<Dir> {
    let top = open_part(root, OsStr::new(kind.folder()))?;
    let mut parts = folder.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    parts.try_fold(top, |above, part| open_part(&above, OsStr::from_bytes(part)))
}

/// The path of the folder that something is in; empty for the one at the top.
pub(super) fn folder_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |end| &path[..end])
}

/// The sizes of files that are there. The folder of the last file stays open, because files of one folder follow each
/// other.
pub(super) struct Sizes<'a> {
    root: &'a Dir,
    last: Option<(FileKind, &'a [u8], Option<Dir>)>,
}

impl<'a> Sizes<'a> {
    pub(super) fn below(root: &'a Dir) -> Self {
        Self { root, last: None }
    }

    /// The size of a regular file below `outputs` or `logs`, if it is there. Its path may be longer than the system takes
    /// at once.
    pub(super) fn of(&mut self, kind: FileKind, path: &'a OutputPath) -> Option<u64> {
        let above = folder_of(path.as_bytes());
        if !matches!(&self.last, Some((last, folder, _)) if (*last, *folder) == (kind, above)) {
            let open_part = |above: &Dir, name: &OsStr| above.open_dir_nofollow(name);
            self.last = Some((kind, above, descend(self.root, kind, above, open_part).ok()));
        }
        let folder = self.last.as_ref().and_then(|(_, _, folder)| folder.as_ref())?;
        let metadata = folder.symlink_metadata(OsStr::from_bytes(path.file_name())).ok()?;
        metadata.is_file().then(|| metadata.len())
    }
}

fn open_part(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    match folder.open_dir_nofollow(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            match folder.create_dir_with(name, &builder) {
                // Made meanwhile for another file of the same folder.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => folder.open_dir_nofollow(name),
            }
        }
        other => other,
    }
}

/// Opens a regular file that is there already, if there is one.
pub(super) fn open_existing(folder: &Dir, name: &OsStr) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    match folder.open_with(name, &options) {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file.into_std())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a file appear under its name when it is whole and on disk.
pub(super) fn place(
    folder: &Dir,
    temporary: &OsStr,
    name: &OsStr,
    abandoned: &Abandoned,
    write: impl FnOnce(&mut File) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    let placed = write_and_rename(folder, temporary, name, abandoned, write);
    if placed.is_err() {
        // What cannot be removed now is removed when the sink is finished.
        let _ = folder.remove_file(temporary);
    }
    placed
}

fn write_and_rename(
    folder: &Dir,
    temporary: &OsStr,
    name: &OsStr,
    abandoned: &Abandoned,
    write: impl FnOnce(&mut File) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    let error = |error: io::Error| failed("cannot write", &error);
    let mut file = create(folder, temporary).map_err(error)?;
    write(&mut file)?;
    abandoned.check()?;
    file.sync_all().map_err(error)?;
    abandoned.check()?;
    folder.rename(temporary, folder, name).map_err(error)
}

/// Makes a new file for the owner only, in the place of one that is there.
pub(super) fn create(folder: &Dir, name: &OsStr) -> io::Result<File> {
    remove(folder, name)?;
    create_new(folder, name)
}

/// Makes a new file for the owner only. Fails when there is one.
pub(super) fn create_new(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).follow(FollowSymlinks::No).mode(0o600);
    Ok(folder.open_with(name, &options)?.into_std())
}

/// Removes a file, if it is there.
pub(super) fn remove(folder: &Dir, name: &OsStr) -> io::Result<()> {
    match folder.remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
