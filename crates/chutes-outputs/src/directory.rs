//! A local directory as a sink: `outputs/…`, `logs/…`, and last of all `manifest.json`.
//!
//! Where `manifest.json` is, all files of the run are. When files are missing, the manifest is called
//! `manifest-incomplete.json`.

mod finish;
#[cfg(test)]
mod tests;
mod together;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use chutes_core::{Escaped, FileKind, RunId};
use chutes_transfer::TransferError;

use super::attributes::Attributes;
use super::blocking::{Abandoned, blocking, failed};
use super::copying::{copy_file, has_content, open};
use super::folder::{self, folder_of};
use super::{RunSummary, Sending, Sink, SourceFile};

/// A directory that files are copied to.
pub(crate) struct DirectorySink {
    name: String,
    target: Arc<Target>,
    /// What `begin` has opened.
    opened: Mutex<Option<Arc<Opened>>>,
    /// How many steps `finish` has made.
    moved: Arc<AtomicU64>,
}

struct Target {
    path: PathBuf,
    run_root: PathBuf,
}

/// The directory while files of a run are copied.
struct Opened {
    root: Dir,
    run_id: RunId,
    /// Each attempt has a temporary file of its own, because one that was dropped may still write.
    attempts: AtomicU64,
    /// The folders that files were put into, and those that they are in.
    touched: Mutex<HashSet<(FileKind, Vec<u8>)>>,
    /// Whether one call puts all files on disk.
    syncs_at_once: bool,
}

impl DirectorySink {
    /// A directory that need not be there yet. It cannot be a part of the directory of the run.
    pub(crate) fn new(path: PathBuf, run_root: PathBuf) -> Self {
        let name = Escaped(&path.to_string_lossy()).to_string();
        let target = Arc::new(Target { path, run_root });
        Self { name, target, opened: Mutex::default(), moved: Arc::default() }
    }

    /// Opens the directory. What is known of files that were sent early is kept.
    async fn open(&self, run_id: RunId) -> Result<(), TransferError> {
        let target = self.target.clone();
        let fresh = Arc::new(blocking(move |_| target.open(run_id)).await?);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fresh);
        Ok(())
    }

    fn opened(&self) -> Result<Arc<Opened>, TransferError> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.clone().ok_or_else(|| TransferError::permanent("the directory was not opened"))
    }
}

impl Sink for DirectorySink {
    fn name(&self) -> &str {
        &self.name
    }

    fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    fn open_early(&self, run_id: RunId) -> Option<Sending<'_, ()>> {
        Some(Box::pin(self.open(run_id)))
    }

    fn begin<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(self.open(run.run_id))
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            let (opened, file) = (self.opened()?, file.clone());
            blocking(move |abandoned| opened.put(&file, abandoned)).await
        })
    }

    fn send_together(&self, files: Vec<SourceFile>) -> Option<Sending<'_, Vec<usize>>> {
        let (opened, moved) = (self.opened().ok()?, self.moved.clone());
        if !opened.syncs_at_once {
            return None;
        }
        Some(blocking(move |abandoned| opened.put_together(&files, &moved, abandoned)))
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async {
            let (opened, moved) = (self.opened()?, self.moved.clone());
            let (name, manifest) = (self.name.clone(), run.manifest.clone());
            blocking(move |abandoned| opened.finish(&name, &manifest, &moved, abandoned)).await
        })
    }
}

impl Target {
    fn open(&self, run_id: RunId) -> Result<Opened, TransferError> {
        let root = folder::prepare(&self.path, &self.run_root)?;
        finish::remove_manifests(&root, &self.path)?;
        Ok(Opened {
            syncs_at_once: folder::syncs_at_once(&root),
            root,
            run_id,
            attempts: AtomicU64::new(0),
            touched: Mutex::default(),
        })
    }
}

impl Opened {
    fn temporary(&self) -> OsString {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        format!("{}{attempt}.part", self.temporary_prefix()).into()
    }

    fn temporary_prefix(&self) -> String {
        format!(".chutes-{}-", self.run_id)
    }

    fn put(&self, file: &SourceFile, abandoned: &Abandoned) -> Result<(), TransferError> {
        let path = folder_of(file.path.as_bytes());
        let folder = folder::open(&self.root, file.kind, path)
            .map_err(|error| failed("cannot make its folder (links are not followed)", &error))?;
        self.touch(file.kind, path);
        let name = OsStr::from_bytes(file.path.file_name());
        if let Some(there) = open_same(&folder, name, file, abandoned)? {
            Attributes::of(&open(file)?)?.give_to(&there);
            return there.sync_all().map_err(|error| failed("cannot write", &error));
        }
        folder::place(&folder, &self.temporary(), name, abandoned, |to| {
            copy_file(file, to, abandoned)?.give_to(to);
            Ok(())
        })
    }

    fn touch(&self, kind: FileKind, mut folder: &[u8]) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        while touched.insert((kind, folder.to_vec())) && !folder.is_empty() {
            folder = folder_of(folder);
        }
    }
}

/// Opens the file that was copied before, by a supervisor that ended before it could record that.
fn open_same(
    folder: &Dir,
    name: &OsStr,
    file: &SourceFile,
    abandoned: &Abandoned,
) -> Result<Option<File>, TransferError> {
    let Ok(Some(mut there)) = folder::open_existing(folder, name) else { return Ok(None) };
    let same_size = there.metadata().is_ok_and(|metadata| metadata.len() == file.bytes);
    if same_size && has_content(&mut there, file, abandoned).unwrap_or(false) {
        return Ok(Some(there));
    }
    abandoned.check()?;
    Ok(None)
}
