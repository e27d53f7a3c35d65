//! Everything as one zip file: `outputs/…`, `logs/…`, `artifacts/…` and `manifest.json`; or the system
//! output of a spec (`layout`).
//!
//! The archive is built on disk while files are sent, and goes out in `finish`: only then its size is
//! known, which a presigned PUT has to announce first. Nothing counts as delivered before.

mod archive;
mod layout;
#[cfg(test)]
#[cfg(feature = "http")]
mod system_output;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use chutes_core::{FileKind, OutputPath, RunId, Sha256Digest, UploadResponse};
use chutes_transfer::TransferError;

use self::archive::Archive;
pub(crate) use self::layout::Layout;
use super::blocking::{Abandoned, blocking, failed};
use super::copying::checksum;
use super::{RunSummary, Sending, Sink, SourceFile, folder};

/// Where a zip file goes.
pub(crate) enum ZipPlace {
    /// Under this name.
    File(PathBuf),
    /// To a sink for one file, of which only `send` is called. The file has this path.
    Sink { sink: Arc<dyn Sink>, file: OutputPath },
}

/// One zip file of everything.
pub(crate) struct ZipSink {
    name: String,
    layout: Arc<Layout>,
    place: Arc<ZipPlace>,
    run_root: PathBuf,
    /// What `begin` has opened.
    opened: Mutex<Option<Arc<Opened>>>,
    /// How often it was begun.
    begun: AtomicU64,
    moved: Arc<AtomicU64>,
}

/// The archive of a run while it is built and sent.
struct Opened {
    archive: Mutex<Archive>,
    local: Local,
    /// Whether a local zip file has its name.
    has_appeared: AtomicBool,
    /// The size and the checksum of the whole zip file, once they are known.
    content: OnceLock<(u64, Sha256Digest)>,
}

impl ZipSink {
    /// `name` is how the place is shown. A zip for another sink is built in the directory of the run,
    /// where there is room for the outputs.
    pub(crate) fn new(name: String, layout: Layout, place: ZipPlace, run_root: PathBuf) -> Self {
        let (layout, place) = (Arc::new(layout), Arc::new(place));
        let (opened, begun, moved) = (Mutex::default(), AtomicU64::new(0), Arc::default());
        Self { name, layout, place, run_root, opened, begun, moved }
    }

    fn opened(&self) -> Result<Arc<Opened>, TransferError> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.clone().ok_or_else(|| TransferError::permanent("the zip file was not begun"))
    }
}

impl Sink for ZipSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_declared(&self) -> bool {
        self.layout.is_declared()
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        self.layout.skips(file)
    }

    /// A zip file is written from its beginning to its end.
    fn concurrency(&self) -> usize {
        1
    }

    fn arrives_at_finish(&self) -> bool {
        true
    }

    fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    fn begin<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async {
            let (place, run_root, run_id) = (self.place.clone(), self.run_root.clone(), run.run_id);
            let count = self.begun.fetch_add(1, Ordering::Relaxed);
            let opened = blocking(move |_| match &*place {
                ZipPlace::File(path) => begin_local(path, &run_root, run_id, count),
                ZipPlace::Sink { .. } => begin_hidden(&run_root),
            });
            let (file, local) = opened.await?;
            let opened = Arc::new(Opened::new(file, local, Arc::clone(&self.layout)));
            *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
            Ok(())
        })
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            let (opened, file) = (self.opened()?, file.clone());
            blocking(move |abandoned| opened.archive().add(&file, abandoned)).await
        })
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async {
            let (opened, manifest) = (self.opened()?, run.manifest.clone());
            let moved = self.moved.clone();
            let sealed =
                blocking(move |abandoned| opened.archive().seal(&manifest, &moved, abandoned));
            let sealed = sealed.await?;
            let opened = self.opened()?;
            match &*self.place {
                ZipPlace::File(path) => {
                    let path = path.clone();
                    blocking(move |abandoned| opened.appear(&path, &sealed, abandoned)).await
                }
                ZipPlace::Sink { sink, file } => {
                    let (file, moved) = (file.clone(), self.moved.clone());
                    let zip =
                        blocking(move |abandoned| opened.as_source(sealed, file, moved, abandoned));
                    let zip = zip.await?;
                    sink.send(&zip).await
                }
            }
        })
    }

    fn answers_at_finish(&self) -> Vec<UploadResponse> {
        match &*self.place {
            ZipPlace::File(_) => Vec::new(),
            ZipPlace::Sink { sink, file } => sink.answers_for(FileKind::Output, file),
        }
    }
}

/// The folder of a local zip file, and the name that it has until it is whole.
type Local = Option<(Dir, OsString)>;

/// A zip file that is renamed when it is whole, so it is built beside its place.
fn begin_local(
    path: &Path,
    run_root: &Path,
    run_id: RunId,
    count: u64,
) -> Result<(File, Local), TransferError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder::prepare(parent.unwrap_or(Path::new(".")), run_root)?;
    let Some(name) = path.file_name() else {
        return Err(TransferError::permanent("the path of the zip file has no file name"));
    };
    if folder.is_dir(name) {
        return Err(TransferError::permanent("there is a directory in the place of the zip file"));
    }
    // The same in each supervisor of the run, so that the next one replaces what is left; but another
    // each time that it is begun, for an attempt that was dropped still has its own. The name itself
    // could be too long with something in front of it.
    let digest = Sha256Digest::of(name.as_encoded_bytes());
    let digest = digest.to_string();
    let short = digest.get(..8).unwrap_or(&digest);
    let temporary = OsString::from(format!(".chutes-{run_id}-{short}-{count}.zip.part"));
    let file = folder::create(&folder, &temporary)
        .map_err(|error| failed("cannot make the zip file", &error))?;
    Ok((file, Some((folder, temporary))))
}

/// A file without a name: no other program can open it, and nothing of it is ever left.
fn begin_hidden(run_root: &Path) -> Result<(File, Local), TransferError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = OsString::from(format!(".chutes-{}-{count}.zip.part", std::process::id()));
    let file = Dir::open_ambient_dir(run_root, ambient_authority()).and_then(|folder| {
        let file = folder::create(&folder, &name)?;
        folder.remove_file(&name)?;
        Ok(file)
    });
    let file = file.map_err(|error| failed("cannot make a file for the zip", &error))?;
    Ok((file, None))
}

impl Opened {
    fn new(file: File, local: Local, layout: Arc<Layout>) -> Self {
        let (has_appeared, content) = (AtomicBool::new(false), OnceLock::new());
        Self { archive: Mutex::new(Archive::new(file, layout)), local, has_appeared, content }
    }

    fn archive(&self) -> std::sync::MutexGuard<'_, Archive> {
        self.archive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a local zip file its name.
    fn appear(&self, path: &Path, file: &File, abandoned: &Abandoned) -> Result<(), TransferError> {
        let error = |error: std::io::Error| failed("cannot write the zip file", &error);
        let (Some((folder, temporary)), Some(name)) = (&self.local, path.file_name()) else {
            return Err(TransferError::permanent("the zip file has no place"));
        };
        file.sync_all().map_err(error)?;
        abandoned.check()?;
        if !self.has_appeared.load(Ordering::Acquire) {
            folder.rename(temporary, folder, name).map_err(error)?;
            self.has_appeared.store(true, Ordering::Release);
        }
        folder::sync(folder).map_err(error)
    }

    /// The zip file as a file to be sent. It is opened through the handle, for it has no name.
    fn as_source(
        &self,
        zip: Arc<File>,
        path: OutputPath,
        sent: Arc<AtomicU64>,
        abandoned: &Abandoned,
    ) -> Result<SourceFile, TransferError> {
        let reopen = move || File::open(format!("/proc/self/fd/{}", zip.as_raw_fd()));
        let (bytes, sha256) = if let Some(&known) = self.content.get() {
            known
        } else {
            let mut file = reopen().map_err(|error| failed("cannot open the zip file", &error))?;
            let content = checksum(&mut file, &sent, abandoned)?;
            *self.content.get_or_init(|| content)
        };
        let open = Arc::new(move |_: FileKind, _: &OutputPath| reopen());
        Ok(SourceFile {
            kind: FileKind::Output,
            path,
            bytes,
            sha256,
            fingerprint: None,
            open,
            sent,
        })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((folder, temporary)) = &self.local {
            // What cannot be removed now is replaced when the run is recovered.
            let _ = folder::remove(folder, temporary);
        }
    }
}
