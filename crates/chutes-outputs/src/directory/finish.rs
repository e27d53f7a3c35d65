//! The end of a delivery to a directory: everything is on disk, then the manifest says so.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use chutes_core::{DeliveryState, Escaped, FileKind, FileState, Manifest, OutputFile, RunId};
use chutes_transfer::TransferError;

use super::Opened;
use crate::blocking::{Abandoned, failed};
use crate::folder::{self, Sizes, folder_of};

/// There when all files are.
const COMPLETE: &str = "manifest.json";

/// There instead when files are missing.
const INCOMPLETE: &str = "manifest-incomplete.json";

#[derive(serde::Deserialize)]
struct AnyManifest {
    #[serde(rename = "run_id")]
    _run_id: RunId,
}

/// Removes the manifest of an earlier run, which would be wrong from now on. A file of that name with
/// other content is not ours to remove.
pub(super) fn remove_manifests(root: &Dir, path: &Path) -> Result<(), TransferError> {
    for name in [COMPLETE, INCOMPLETE] {
        let there = match folder::open_existing(root, OsStr::new(name)) {
            Ok(None) if !root.exists(name) => continue,
            Ok(Some(file)) => is_manifest(file),
            _ => false,
        };
        if !there {
            return Err(TransferError::permanent(format!(
                "there is a `{name}` in the directory `{}` that is not of a run: choose another \
                 directory",
                Escaped(&path.to_string_lossy())
            )));
        }
        folder::remove(root, OsStr::new(name))
            .map_err(|error| failed(&format!("cannot remove the old `{name}`"), &error))?;
    }
    Ok(())
}

fn is_manifest(file: File) -> bool {
    serde_json::from_reader::<_, AnyManifest>(BufReader::new(file)).is_ok()
}

impl Opened {
    pub(super) fn finish(
        &self,
        sink: &str,
        manifest: &Manifest,
        moved: &AtomicU64,
        abandoned: &Abandoned,
    ) -> Result<(), TransferError> {
        let step = || {
            moved.fetch_add(1, Ordering::Relaxed);
            abandoned.check()
        };
        self.touch_all(sink, manifest);
        self.settle_folders(step)?;
        let (mut is_complete, mut sizes) = (true, Sizes::below(&self.root));
        for kind in FileKind::ALL {
            let files = manifest.of_kind(kind);
            for file in files {
                step()?;
                is_complete &= has(&mut sizes, sink, kind, file)?;
            }
        }
        let name = if is_complete { COMPLETE } else { INCOMPLETE };
        folder::place(&self.root, &self.temporary(), OsStr::new(name), abandoned, |to| {
            write(manifest, to).map_err(|error| failed("cannot write the manifest", &error))
        })?;
        folder::sync(&self.root).map_err(|error| failed("cannot write", &error))
    }

    /// Also the folders that only an earlier supervisor has put files into: it was ended before it could
    /// put their names on disk, and has left behind what it was about to copy.
    fn touch_all(&self, sink: &str, manifest: &Manifest) {
        for kind in FileKind::ALL {
            let files = manifest.of_kind(kind);
            for file in files.iter().filter(|file| is_delivered(sink, file)) {
                self.touch(kind, folder_of(file.path.as_bytes()));
            }
        }
    }

    /// Puts the names of all files on disk and removes what dropped attempts have left.
    fn settle_folders(
        &self,
        step: impl Fn() -> Result<(), TransferError>,
    ) -> Result<(), TransferError> {
        let touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (kind, path) in touched {
            step()?;
            folder::open(&self.root, kind, &path)
                .and_then(|folder| {
                    self.remove_leftovers(&folder)?;
                    folder::sync(&folder)
                })
                .map_err(|error| failed("cannot complete a folder", &error))?;
        }
        Ok(())
    }

    fn remove_leftovers(&self, folder: &Dir) -> io::Result<()> {
        let prefix = self.temporary_prefix();
        for entry in folder.entries()? {
            let name = entry?.file_name();
            if name.as_bytes().starts_with(prefix.as_bytes()) && name.as_bytes().ends_with(b".part")
            {
                folder::remove(folder, &name)?;
            }
        }
        Ok(())
    }
}

/// Whether a file is there that should be. One that was confirmed and is not there any more is an error: another program
/// writes into this directory.
fn has<'a>(
    sizes: &mut Sizes<'a>,
    sink: &str,
    kind: FileKind,
    file: &'a OutputFile,
) -> Result<bool, TransferError> {
    let bytes = match &file.state {
        FileState::Collected { bytes, .. } => *bytes,
        FileState::Failed { .. } => return Ok(false),
        FileState::Skipped { .. } => return Ok(true),
    };
    if !is_delivered(sink, file) {
        return Ok(false);
    }
    if sizes.of(kind, &file.path) == Some(bytes) {
        return Ok(true);
    }
    Err(TransferError::permanent(format!(
        "`{}/{}` was copied and is not there any more",
        kind.folder(),
        Escaped(&file.path.to_string())
    )))
}

fn is_delivered(sink: &str, file: &OutputFile) -> bool {
    let mut here = file.deliveries.iter().filter(|delivery| delivery.sink == sink);
    here.any(|delivery| delivery.state == DeliveryState::Delivered)
}

fn write(manifest: &Manifest, to: &mut File) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    serde_json::to_writer_pretty(&mut to, manifest)?;
    to.flush()
}
