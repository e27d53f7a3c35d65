//! A run with real files, for the tests of sinks.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chutes_core::{
    Ending, FileKind, FileState, Manifest, OutputFile, OutputPath, RunId, Sha256Digest,
};
use chutes_transfer::RetryPolicy;
use tempfile::TempDir;

use super::delivery::{Delivered, DeliveryJob, deliver};
use super::{Fingerprint, OpenSink, RunSummary, Sink, SourceFile};

/// The directory of a run, with `outputs/` and `logs/`, and a place beside it.
pub(super) struct TestRun {
    folder: TempDir,
    pub(super) files: Vec<SourceFile>,
}

impl TestRun {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("run/outputs")).unwrap();
        std::fs::create_dir_all(folder.path().join("run/logs")).unwrap();
        Self { folder, files: Vec::new() }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A place outside of the directory of the run.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn path_of(&self, kind: FileKind, path: &[u8]) -> PathBuf {
        self.root().join(kind.folder()).join(std::ffi::OsStr::from_bytes(path))
    }

    pub(super) fn with(mut self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.add(FileKind::Output, path.as_ref(), content.as_ref());
        self
    }

    pub(super) fn with_log(mut self, path: &str, content: &str) -> Self {
        self.add(FileKind::Log, path.as_bytes(), content.as_bytes());
        self
    }

    pub(super) fn with_artifact(mut self, path: &str, content: &str) -> Self {
        self.add(FileKind::Artifact, path.as_bytes(), content.as_bytes());
        self
    }

    fn add(&mut self, kind: FileKind, path: &[u8], content: &[u8]) {
        let at = self.path_of(kind, path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(&at, content).unwrap();
        let root = self.root();
        self.files.push(SourceFile {
            kind,
            path: OutputPath::new(path).unwrap(),
            bytes: content.len() as u64,
            sha256: Sha256Digest::of(content),
            fingerprint: None,
            open: Arc::new(move |kind, path| {
                File::open(
                    root.join(kind.folder()).join(std::ffi::OsStr::from_bytes(path.as_bytes())),
                )
            }),
            sent: Arc::default(),
        });
    }

    /// As if the files had been written some time before they were collected.
    pub(super) fn fingerprinted(mut self) -> Self {
        self.wait_for_next_tick();
        for file in &mut self.files {
            let metadata = file.open().unwrap().metadata().unwrap();
            file.fingerprint =
                Fingerprint::settled(&metadata, SystemTime::now() + Duration::from_secs(1));
            assert!(file.fingerprint.is_some());
        }
        self
    }

    /// Until then the file system gives the next change the time of the last one.
    fn wait_for_next_tick(&self) {
        let probe = self.beside("probe");
        let now = || {
            std::fs::write(&probe, "now").unwrap();
            let metadata = std::fs::metadata(&probe).unwrap();
            (metadata.ctime(), metadata.ctime_nsec())
        };
        let begin = now();
        while now() == begin {}
        std::fs::remove_file(&probe).unwrap();
    }

    pub(super) fn summary(&self) -> RunSummary {
        let entries = |kind| {
            let files = self.files.iter().filter(move |file| file.kind == kind);
            let entry = |file: &SourceFile| {
                let state = FileState::Collected { bytes: file.bytes, sha256: file.sha256 };
                OutputFile::new(file.path.clone(), state)
            };
            files.map(entry).collect::<Vec<_>>()
        };
        let run_id = RunId::from_bytes([7; 16]);
        let manifest = Manifest {
            run_id,
            files: entries(FileKind::Output),
            logs: entries(FileKind::Log),
            artifacts: entries(FileKind::Artifact),
        };
        RunSummary { run_id, ending: Ending::Completed, result: None, manifest }
    }

    pub(super) fn job(&self) -> DeliveryJob {
        DeliveryJob {
            policy: RetryPolicy { random: || 0.0, ..RetryPolicy::default() },
            ..DeliveryJob::new(self.summary(), self.files.clone())
        }
    }

    pub(super) async fn deliver_to(&self, sink: impl Sink + 'static) -> Delivered {
        let sinks: [Arc<dyn Sink>; 1] = [Arc::new(sink)];
        deliver(&OpenSink::numbered(sinks), &self.job()).await
    }
}

/// Everything below a directory that is not a directory, sorted.
pub(super) fn tree(folder: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else {
                let path = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
                found.push(OutputPath::new(path).unwrap().to_string());
            }
        }
    }
    found.sort();
    found
}
