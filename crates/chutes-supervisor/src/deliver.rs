//! Delivers the files of one run to its sinks, without those that have arrived before, and records each arrival.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chutes_core::{
    Delivery, DeliveryState, Escaped, EventReporter, FileKind, FileState, Manifest, OutputFile,
    OutputPath, RunEvent, RunId, SinkKind, SinkReport, SinkSpec, UploadResponse,
};
use chutes_outputs::delivery::{self, DeliveryJob, Retry, RetryPolicy, Retrying};
use chutes_outputs::{Fingerprint, OpenSink, RunSummary, Sink, SourceFile, open_sinks};
use chutes_transfer::{AddressPolicy, RetryNotices};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::cancel::{CancelHandle, Urgency};
use super::directory::RunRoot;
use super::lifecycle::Lifecycle;
use super::run_log::{AnsweredArrival, Arrival, Arrivals, Fact};

/// What is said when a run is asked to stop while its files are delivered.
const HURRIED: &str = "the run was asked to stop: what cannot be delivered now is not tried again";

/// The sinks of one run, by the numbers of their places in the request.
#[derive(Clone, Default)]
pub(super) struct Sinks {
    all: Vec<OpenSink>,
    /// Those of the sinks that get the outcome of every run, also of one that is rejected.
    status_urls: Vec<OpenSink>,
    policy: RetryPolicy,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

/// The final state of a file at one sink.
struct Settlement {
    sink: usize,
    file: SourceFile,
    state: DeliveryState,
    responses: Vec<UploadResponse>,
}

impl Sinks {
    /// Opens the sinks, as far as they can be checked beforehand. `run_dir` must not be the target of a delivery,
    /// and `addresses` are those that a spec may name.
    pub(super) fn open(
        specs: &[SinkSpec],
        run_dir: &Path,
        addresses: &AddressPolicy,
    ) -> Result<Self, RunError> {
        let sinks = open_sinks(specs, run_dir, addresses).map_err(RunError::from)?;
        let is_status_url = |open: &&OpenSink| {
            let spec = specs.get(open.number);
            spec.is_some_and(|spec| matches!(spec.kind(), SinkKind::StatusUrl(_)))
        };
        let status_urls = sinks.iter().filter(is_status_url).cloned().collect();
        Ok(Self { all: sinks, status_urls, policy: RetryPolicy::default() })
    }

    /// The sinks of a run that was rejected: the others keep what they have.
    pub(super) fn of_rejected(&self) -> Self {
        Self { all: self.status_urls.clone(), ..self.clone() }
    }

    /// Adds the sinks of a test. The delays between retries are then deterministic: always the longest.
    pub(super) fn with(mut self, more: &[Arc<dyn Sink>]) -> Self {
        if !more.is_empty() {
            let first = self.all.last().map_or(0, |open| open.number + 1);
            let more = (first..).zip(more);
            self.all.extend(more.map(|(number, sink)| OpenSink { number, sink: Arc::clone(sink) }));
            self.policy.random = || 1.0;
        }
        self
    }

    /// Opens the sinks that take files while the job runs, and returns them. One that cannot be opened now is opened again
    /// at the end.
    pub(super) async fn open_early(&self, run_id: RunId, troubles: &Troubles) -> Vec<OpenSink> {
        let mut early = Vec::new();
        for open in &self.all {
            let Some(opening) = open.sink.open_early(run_id) else { continue };
            match opening.await {
                Ok(()) => early.push(open.clone()),
                Err(error) => {
                    let what = format!("{error}; its files are delivered at the end of the run");
                    troubles.report(open.number, None, &what);
                }
            }
        }
        early
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Delivers the files that have not arrived before, and sets the state of each file in the manifest.
    pub(super) async fn deliver(
        &self,
        summary: &mut RunSummary,
        root: &Arc<RunRoot>,
        options: DeliveryOptions<'_>,
        lifecycle: &mut Lifecycle,
    ) -> Vec<SinkReport> {
        let visible = if options.uploads { summary.clone() } else { without_files(summary) };
        let files = sources(&visible.manifest, &options.fingerprints, root);
        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let before = options.cancel.urgency();
        let (sender, mut settled) = mpsc::unbounded_channel();
        let job = DeliveryJob {
            delivered: options.delivered.unchanged(&visible.manifest),
            run: visible,
            files,
            settled: Box::new(move |sink, file, state, responses| {
                let (file, state, responses) = (file.clone(), state.clone(), responses.to_vec());
                // The receiver outlives the delivery, so sending succeeds.
                let _ = sender.send(Settlement { sink, file, state, responses });
            }),
            retrying: self.retrying(lifecycle.events()),
            hurry: hurry.clone(),
            stop: stop.clone(),
            deadline: lifecycle.deadline(),
            policy: self.policy,
        };
        let mut delivering = std::pin::pin!(delivery::deliver(&self.all, &job));
        let delivered = loop {
            tokio::select! {
                biased;
                Some(settlement) = settled.recv() => self.record(settlement, lifecycle),
                delivered = &mut delivering => break delivered,
                () = options.cancel.reached(Urgency::GiveUp), if !stop.is_cancelled() => stop.cancel(),
                () = options.cancel.raised_above(before), if !hurry.is_cancelled() => {
                    lifecycle.emit(RunEvent::Warning { message: HURRIED.into() });
                    hurry.cancel();
                }
            }
        };
        while let Ok(settlement) = settled.try_recv() {
            self.record(settlement, lifecycle);
        }
        delivered.fill(&job.files, &mut summary.manifest);
        delivered.reports
    }

    /// Reports that something is tried again, and why.
    fn retrying(&self, events: EventReporter) -> Box<Retrying> {
        let troubles = self.troubles(events);
        Box::new(move |sink, file, retry: Retry<'_>| {
            troubles.report(sink, file.map(|file| &file.path), &retry);
        })
    }

    /// Reports what goes wrong at the sinks.
    pub(super) fn troubles(&self, events: EventReporter) -> Troubles {
        let names = self.all.iter().map(|open| (open.number, open.sink.name().to_owned()));
        Troubles::new(names, events)
    }

    fn record(&self, settlement: Settlement, lifecycle: &Lifecycle) {
        let Settlement { sink, file, state, responses } = settlement;
        let SourceFile { kind, path, sha256, .. } = file;
        let at = self.all.binary_search_by_key(&sink, |open| open.number).ok();
        let open = at.and_then(|at| self.all.get(at));
        let to = open.map(|open| open.sink.name().to_owned()).unwrap_or_default();
        lifecycle.record(if state == DeliveryState::Delivered {
            let arrival = Arrival { sink, kind, path, sha256 };
            Fact::Delivered(AnsweredArrival { arrival, to, responses })
        } else {
            Fact::Event(RunEvent::File { kind, path, delivery: Delivery { sink: to, state } })
        });
    }
}

/// Reports now and then what goes wrong at each sink, because a delivery may take hours.
pub(super) struct Troubles {
    sinks: HashMap<usize, (String, RetryNotices)>,
    events: EventReporter,
}

impl Troubles {
    /// For the sinks of these numbers and names.
    pub(super) fn new(names: impl Iterator<Item = (usize, String)>, events: EventReporter) -> Self {
        let sinks = names.map(|(number, name)| (number, (name, RetryNotices::default())));
        Self { sinks: sinks.collect(), events }
    }

    /// Reports what went wrong at the sink of this number, unless something of it was just reported.
    pub(super) fn report(&self, sink: usize, file: Option<&OutputPath>, what: &dyn Display) {
        if let Some((name, notices)) = self.sinks.get(&sink)
            && notices.is_due()
        {
            let file = file.map(|file| format!("`{file}` ")).unwrap_or_default();
            let message = format!("delivering {file}to {name}: {what}");
            let message = Escaped(&message).to_string();
            self.events.emit(RunEvent::Warning { message });
        }
    }
}

/// The fingerprints that detect a change of an output after its checksum was taken.
pub(super) type Fingerprints = HashMap<OutputPath, Fingerprint>;

/// The options of a delivery.
pub(super) struct DeliveryOptions<'a> {
    /// The files that earlier deliveries have brought to the sinks.
    pub(super) delivered: &'a Arrivals,
    pub(super) fingerprints: Fingerprints,
    /// Whether files may leave the directory of the run at all.
    pub(super) uploads: bool,
    pub(super) cancel: &'a CancelHandle,
}

/// Writes the sinks to the directory of the run; they are removed when all files have arrived.
pub(super) fn remember(specs: &[SinkSpec], root: &RunRoot) -> io::Result<()> {
    if specs.is_empty() { Ok(()) } else { root.write_sinks(&serde_json::to_vec(specs)?) }
}

/// Reads the sinks that [`remember`] wrote; `None` when all files have arrived.
pub(super) fn recall(root: &RunRoot) -> io::Result<Option<Vec<SinkSpec>>> {
    let text = root.read_sinks()?;
    Ok(text.map(|text| serde_json::from_slice(&text)).transpose()?)
}

/// The summary for a run whose files may not leave: it does not contain their names either.
fn without_files(summary: &RunSummary) -> RunSummary {
    let manifest = Manifest {
        run_id: summary.run_id,
        files: Vec::new(),
        logs: Vec::new(),
        artifacts: Vec::new(),
    };
    RunSummary { manifest, ..summary.clone() }
}

/// The sources of all files that were collected.
fn sources(
    manifest: &Manifest,
    fingerprints: &Fingerprints,
    root: &Arc<RunRoot>,
) -> Vec<SourceFile> {
    let fingerprint = |kind, file: &OutputFile| match kind {
        FileKind::Output => fingerprints.get(&file.path).copied(),
        FileKind::Log | FileKind::Artifact => None,
    };
    let all = manifest.all();
    all.filter_map(|(kind, file)| source(kind, file, fingerprint(kind, file), root)).collect()
}

/// The source of a file, if it was collected.
pub(super) fn source(
    kind: FileKind,
    file: &OutputFile,
    fingerprint: Option<Fingerprint>,
    root: &Arc<RunRoot>,
) -> Option<SourceFile> {
    let FileState::Collected { bytes, sha256 } = file.state else { return None };
    let root = Arc::clone(root);
    Some(SourceFile {
        kind,
        path: file.path.clone(),
        bytes,
        sha256,
        fingerprint,
        open: Arc::new(move |kind, path| root.open_file(kind, path)),
        sent: Arc::new(AtomicU64::new(0)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chutes_outputs::Sending;
    use chutes_transfer::TransferError;

    use super::*;

    /// A sink that cannot be opened, or takes files at the end only.
    struct Closed(Option<TransferError>);

    impl Sink for Closed {
        fn name(&self) -> &'static str {
            "closed"
        }

        fn open_early(&self, _: RunId) -> Option<Sending<'_, ()>> {
            let error = self.0.clone()?;
            Some(Box::pin(async { Err(error) }))
        }

        fn send<'a>(&'a self, _: &'a SourceFile) -> Sending<'a, ()> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn a_sink_that_cannot_be_opened_early_is_reported() {
        let refused = TransferError::permanent("403 Forbidden");
        let sinks: [Arc<dyn Sink>; 2] = [Arc::new(Closed(None)), Arc::new(Closed(Some(refused)))];
        let sinks = Sinks::default().with(&sinks);
        let said: Arc<Mutex<Vec<RunEvent>>> = Arc::default();
        let kept = Arc::clone(&said);
        let troubles =
            sinks.troubles(EventReporter::new(move |event| kept.lock().unwrap().push(event)));
        assert!(sinks.open_early(RunId::from_bytes([7; 16]), &troubles).await.is_empty());
        let message =
            "delivering to closed: 403 Forbidden; its files are delivered at the end of the run";
        assert_eq!(*said.lock().unwrap(), [RunEvent::Warning { message: message.to_owned() }]);
    }
}
