//! Live delivery: output files that are finished go to the sinks while the job goes on, so that a
//! checkpoint is safe before the machine dies.
//!
//! Nobody can ask a job whether a file is finished. One that has not been changed for a while is taken
//! as such; if it is changed later, it is delivered again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chutes_core::{
    Delivery, DeliveryState, EventReporter, FileKind, OutputFile, OutputPath, RunEvent, RunId,
};
use chutes_outputs::delivery::{RetryPolicy, send_once};
use chutes_outputs::{FoundFile, Sink, SourceFile, checksum, scan};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::deliver::{Sinks, source};
use super::directory::RunRoot;
use super::journal::{Arrival, Arrivals, Entry, SharedJournal};

/// How long a file must have been left alone, and how often it is looked.
const QUIET: Duration = Duration::from_secs(5);

/// How long a transfer may go without a single byte. It is tried again when it is looked next.
const STALL: Duration = Duration::from_mins(1);

/// Live delivery that goes on in the background.
pub(super) struct Live {
    task: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    arrived: Arc<Mutex<Arrivals>>,
}

impl Live {
    /// Begins, if there are sinks that take files early.
    pub(super) async fn start(
        run_id: RunId,
        sinks: &Sinks,
        root: &Arc<RunRoot>,
        journal: SharedJournal,
        events: EventReporter,
    ) -> Option<Self> {
        let sinks = sinks.open_early(run_id).await;
        if sinks.is_empty() {
            return None;
        }
        let (stop, arrived) = (Arc::<AtomicBool>::default(), Arc::default());
        let watch = Watch {
            sinks,
            root: Arc::clone(root),
            journal,
            events,
            stop: Arc::clone(&stop),
            arrived: Arc::clone(&arrived),
            last: HashMap::new(),
            done: HashMap::new(),
        };
        Some(Self { task: tokio::spawn(watch.run()), stop, arrived })
    }

    /// Ends it. What is on its way is delivered later, like everything else. Returns what has arrived.
    pub(super) async fn stop(self) -> Arrivals {
        self.stop.store(true, Ordering::Relaxed);
        self.task.abort();
        // It says that it was aborted, which is known.
        let _ = self.task.await;
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// By what a change of a file is noticed.
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
    sinks: Vec<(usize, Arc<dyn Sink>)>,
    root: Arc<RunRoot>,
    journal: SharedJournal,
    events: EventReporter,
    stop: Arc<AtomicBool>,
    arrived: Arc<Mutex<Arrivals>>,
    /// What was found when it was looked last.
    last: HashMap<OutputPath, Signature>,
    /// What has arrived, at which sink.
    done: HashMap<(usize, OutputPath), Signature>,
}

impl Watch {
    async fn run(mut self) {
        loop {
            sleep(QUIET).await;
            let (root, stop) = (Arc::clone(&self.root), Arc::clone(&self.stop));
            let look = move || Some(scan(&root.folder(FileKind::Output).ok()?, &stop));
            // A directory that cannot be read now is read at the end, where it matters.
            let Ok(Some(found)) = spawn_blocking(look).await else { continue };
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
        let is_new = |sink: usize| self.done.get(&(sink, file.path.clone())) != Some(&signature);
        let wanted: Vec<_> = self.sinks.iter().filter(|(at, _)| is_new(*at)).cloned().collect();
        if wanted.is_empty() {
            return;
        }
        let Some(source) = self.source(&file.path).await else { return };
        let patience = RetryPolicy { stall: STALL, answer: STALL, ..RetryPolicy::default() };
        for (at, sink) in wanted {
            // What fails is tried again when it is looked next, or at the end of the run.
            if sink.skips(&source).is_some() || send_once(&patience, &*sink, &source).await.is_err()
            {
                continue;
            }
            self.done.insert((at, file.path.clone()), signature);
            self.tell(at, &*sink, &source);
        }
    }

    /// The file with its checksum, unless it is changed while that is taken.
    async fn source(&self, path: &OutputPath) -> Option<SourceFile> {
        let (root, stop, wanted) = (Arc::clone(&self.root), Arc::clone(&self.stop), path.clone());
        let read = move || Some(checksum(&root.folder(FileKind::Output).ok()?, &wanted, &stop));
        let file = OutputFile::new(path.clone(), spawn_blocking(read).await.ok()??);
        source(FileKind::Output, &file, None, &self.root)
    }

    fn tell(&self, at: usize, sink: &dyn Sink, file: &SourceFile) {
        let (kind, path, sha256) = (file.kind, file.path.clone(), file.sha256);
        let arrival = Arrival { sink: at, kind, path: path.clone(), sha256 };
        // A record that cannot be written costs a second delivery, and the run says so elsewhere.
        let _ = self.journal.append(Entry::Delivered(arrival.clone()));
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).insert(arrival);
        let delivery = Delivery { sink: sink.name().to_owned(), state: DeliveryState::Delivered };
        self.events.emit(RunEvent::File { kind, path, delivery });
    }
}
