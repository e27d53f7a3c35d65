//! Live delivery: finished output files are delivered to the sinks while the job runs, so that a checkpoint is safe
//! if the machine fails.
//!
//! A job does not announce that a file is finished. A file that has not changed for a while counts as finished; if
//! it changes later, it is delivered again.

mod failures;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{FileKind, OutputFile, OutputPath, RunId};
use chutes_outputs::delivery::{RetryPolicy, send_once};
use chutes_outputs::{FoundFile, OpenSink, Sink, SourceFile, checksum, scan};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use self::failures::Failures;
use super::deliver::{Sinks, source};
use super::directory::RunRoot;
use super::run_log::{AnsweredArrival, Arrival, Arrivals, Fact, RunLog};

/// How long a file must have been unchanged, and the interval between two scans.
const QUIET: Duration = Duration::from_secs(5);

/// How long a transfer may go without a single byte. It is tried again later.
const STALL: Duration = Duration::from_mins(1);

/// Live delivery in the background.
pub(super) struct Live {
    task: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    arrived: Arc<Mutex<Arrivals>>,
}

impl Live {
    /// Starts live delivery, if there are sinks that support it.
    pub(super) async fn start(
        run_id: RunId,
        sinks: &Sinks,
        root: &Arc<RunRoot>,
        log: RunLog,
    ) -> Option<Self> {
        let troubles = sinks.troubles(log.reporter());
        let sinks = sinks.open_early(run_id, &troubles).await;
        if sinks.is_empty() {
            return None;
        }
        let (stop, arrived) = (Arc::<AtomicBool>::default(), Arc::default());
        let watch = Watch {
            sinks,
            root: Arc::clone(root),
            log,
            stop: Arc::clone(&stop),
            arrived: Arc::clone(&arrived),
            last: HashMap::new(),
            done: HashMap::new(),
            failures: Failures::new(troubles),
        };
        Some(Self { task: tokio::spawn(watch.run()), stop, arrived })
    }

    /// Ends live delivery. Transfers in progress are aborted; these files are delivered at the end of the run. Returns
    /// the files that have arrived.
    pub(super) async fn stop(self) -> Arrivals {
        self.stop.store(true, Ordering::Relaxed);
        self.task.abort();
        // The task was aborted just above, so its error says nothing new.
        let _ = self.task.await;
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The metadata by which a change of a file is detected.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Signature {
    bytes: u64,
    modified: i128,
    inode: u64,
}

impl Signature {
    fn of(file: &FoundFile) -> Self {
        Self { bytes: file.bytes, modified: file.modified, inode: file.inode }
    }
}

struct Watch {
    sinks: Vec<OpenSink>,
    root: Arc<RunRoot>,
    log: RunLog,
    stop: Arc<AtomicBool>,
    arrived: Arc<Mutex<Arrivals>>,
    /// The files that the last scan found.
    last: HashMap<OutputPath, Signature>,
    /// The files that have arrived, by sink.
    done: HashMap<(usize, OutputPath), Signature>,
    failures: Failures,
}

impl Watch {
    async fn run(mut self) {
        loop {
            sleep(QUIET).await;
            let (root, stop) = (Arc::clone(&self.root), Arc::clone(&self.stop));
            let scan = move || Some(scan(&root.folder(FileKind::Output).ok()?, &stop));
            // An error is ignored here: the directory is read again at the end of the run.
            let Ok(Some(found)) = spawn_blocking(scan).await else { continue };
            for file in &found {
                if self.last.get(&file.path) == Some(&Signature::of(file)) {
                    self.deliver(file).await;
                }
            }
            let signatures = found.iter().map(|file| (file.path.clone(), Signature::of(file)));
            self.last = signatures.collect();
        }
    }

    async fn deliver(&mut self, file: &FoundFile) {
        let signature = Signature::of(file);
        let mut wanted = Vec::new();
        for OpenSink { number, sink } in &self.sinks {
            let key = (*number, file.path.clone());
            if self.done.get(&key) != Some(&signature) && self.failures.permit(&key, signature) {
                wanted.push((key, Arc::clone(sink)));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let Some(source) = self.source(&file.path).await else { return };
        let patience = RetryPolicy { stall: STALL, answer: STALL, ..RetryPolicy::default() };
        for (key, sink) in wanted {
            if sink.skips(&source).is_some() {
                continue;
            }
            match send_once(&patience, &*sink, &source).await {
                Ok(()) => {
                    self.failures.forget(&key);
                    self.record(key.0, &*sink, &source);
                    self.done.insert(key, signature);
                }
                Err(error) => self.failures.note(key, signature, error),
            }
        }
    }

    /// The file with its checksum; `None` if the file changes meanwhile.
    async fn source(&self, path: &OutputPath) -> Option<SourceFile> {
        let (root, stop, wanted) = (Arc::clone(&self.root), Arc::clone(&self.stop), path.clone());
        let read = move || Some(checksum(&root.folder(FileKind::Output).ok()?, &wanted, &stop));
        let file = OutputFile::new(path.clone(), spawn_blocking(read).await.ok()??);
        source(FileKind::Output, &file, None, &self.root)
    }

    fn record(&self, number: usize, sink: &dyn Sink, file: &SourceFile) {
        let (kind, path, sha256) = (file.kind, file.path.clone(), file.sha256);
        let arrival = Arrival { sink: number, kind, path, sha256 };
        let to = sink.name().to_owned();
        let arrival = AnsweredArrival { arrival, to, responses: Vec::new() };
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).insert(arrival.clone());
        // A missing record only costs a second delivery. The supervisor reports a broken log elsewhere.
        let _ = self.log.record(Fact::Delivered(arrival));
    }
}
