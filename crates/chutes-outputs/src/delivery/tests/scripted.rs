//! A sink in memory that does what a script says, and remembers when it was called.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chutes_core::{DeliveryState, FileKind, Manifest, OutputPath, RunId, Sha256Digest};
use chutes_core::{Ending, FileState, OutputFile};
use chutes_transfer::{RetryPolicy, TransferCause, TransferError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::super::DeliveryJob;
use crate::{RunSummary, Sending, Sink, SourceFile};

/// What happens at one call. Without a script everything succeeds at once.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Done,
    Transient,
    /// A transient error after which the sink keeps so many bytes of the file.
    Keeps(u64),
    Permanent,
    /// The place takes nothing more.
    Full,
    Panic,
    /// An error that asks for this many seconds.
    RetryAfter(u64),
    /// Some bytes, and then nothing more.
    Hang {
        bytes: usize,
    },
    /// Success after so many bytes, with a pause before each, and another before the answer.
    Slow {
        bytes: usize,
        each: Duration,
        answer: Duration,
    },
}

pub(super) struct Scripted {
    begin: Instant,
    concurrency: usize,
    at_finish: bool,
    without: HashSet<String>,
    kept: Mutex<HashMap<OutputPath, u64>>,
    script: Mutex<HashMap<String, VecDeque<Step>>>,
    calls: Mutex<Vec<(u64, String)>>,
    called: Notify,
    now: AtomicUsize,
    most: AtomicUsize,
    last_manifest: Mutex<Option<Manifest>>,
}

impl Scripted {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begin: Instant::now(),
            concurrency: 8,
            at_finish: false,
            without: HashSet::new(),
            kept: Mutex::default(),
            script: Mutex::default(),
            calls: Mutex::default(),
            called: Notify::new(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            last_manifest: Mutex::default(),
        })
    }

    fn change(mut self: Arc<Self>, change: impl FnOnce(&mut Self)) -> Arc<Self> {
        change(Arc::get_mut(&mut self).unwrap());
        self
    }

    pub(super) fn at_a_time(self: Arc<Self>, files: usize) -> Arc<Self> {
        self.change(|sink| sink.concurrency = files)
    }

    pub(super) fn at_finish(self: Arc<Self>) -> Arc<Self> {
        self.change(|sink| sink.at_finish = true)
    }

    pub(super) fn without(self: Arc<Self>, name: &str) -> Arc<Self> {
        self.change(|sink| {
            sink.without.insert(name.to_owned());
        })
    }

    /// What happens at the calls of this name: `begin`, `together`, `finish`, or the path of a file.
    pub(super) fn on<const N: usize>(self: Arc<Self>, name: &str, steps: [Step; N]) -> Arc<Self> {
        self.also_on(name, steps);
        self
    }

    pub(super) fn also_on<const N: usize>(&self, name: &str, steps: [Step; N]) {
        self.script.lock().unwrap().insert(name.to_owned(), steps.into());
    }

    pub(super) fn calls(&self) -> Vec<(u64, String)> {
        self.calls.lock().unwrap().clone()
    }

    pub(super) async fn called(&self, name: &str) {
        while !self.calls().iter().any(|(_, call)| call == name) {
            self.called.notified().await;
        }
    }

    pub(super) fn most_at_a_time(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    pub(super) fn last_manifest(&self) -> Manifest {
        self.last_manifest.lock().unwrap().clone().unwrap()
    }

    async fn call(&self, name: &str, file: Option<&SourceFile>) -> Result<(), TransferError> {
        let at = u64::try_from(self.begin.elapsed().as_millis()).unwrap();
        self.calls.lock().unwrap().push((at, name.to_owned()));
        self.called.notify_waiters();
        let step = self.script.lock().unwrap().get_mut(name).and_then(VecDeque::pop_front);
        let count = |bytes| file.into_iter().for_each(|file| file.count(bytes));
        match step.unwrap_or(Step::Done) {
            Step::Done => Ok(()),
            Step::Transient => Err(TransferError::transient("503")),
            Step::Keeps(bytes) => {
                let path = file.unwrap().path.clone();
                self.kept.lock().unwrap().insert(path, bytes);
                Err(TransferError::transient("503"))
            }
            Step::Permanent => Err(TransferError::permanent("403")),
            Step::Full => {
                let cause = TransferCause::Destination;
                Err(TransferError { cause, ..TransferError::permanent("no space") })
            }
            Step::Panic => panic!("as the script says"),
            Step::RetryAfter(seconds) => {
                let retry_after = Some(Duration::from_secs(seconds));
                Err(TransferError { retry_after, ..TransferError::transient("429") })
            }
            Step::Hang { bytes } => {
                count(bytes);
                std::future::pending().await
            }
            Step::Slow { bytes, each, answer } => {
                for _ in 0..bytes {
                    sleep(each).await;
                    count(1);
                }
                sleep(answer).await;
                Ok(())
            }
        }
    }
}

impl Sink for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn arrives_at_finish(&self) -> bool {
        self.at_finish
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        let skipped = self.without.contains(&file.path.to_string());
        skipped.then(|| "not for this sink".to_owned())
    }

    fn begin<'a>(&'a self, _: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(self.call("begin", None))
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let result = self.call(&file.path.to_string(), Some(file)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            result
        })
    }

    /// Only with a script: all files arrive whose names do not begin with `left`.
    fn send_together(&self, files: Vec<SourceFile>) -> Option<Sending<'_, Vec<usize>>> {
        let is_scripted = self.script.lock().unwrap().contains_key("together");
        is_scripted.then(|| {
            Box::pin(async move {
                self.call("together", None).await?;
                let arrives = |file: &SourceFile| !file.path.to_string().starts_with("left");
                let all = files.iter().enumerate();
                Ok(all.filter(|(_, file)| arrives(file)).map(|(place, _)| place).collect())
            }) as Sending<'_, Vec<usize>>
        })
    }

    fn kept(&self, file: &SourceFile) -> u64 {
        self.kept.lock().unwrap().get(&file.path).copied().unwrap_or_default()
    }

    fn abandon<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        let has_kept = self.kept.lock().unwrap().remove(&file.path).is_some();
        Box::pin(async move {
            if has_kept { self.call(&format!("abandon {}", file.path), None).await } else { Ok(()) }
        })
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        *self.last_manifest.lock().unwrap() = Some(run.manifest.clone());
        Box::pin(self.call("finish", None))
    }
}

pub(super) fn file(name: &str) -> SourceFile {
    SourceFile {
        kind: FileKind::Output,
        path: OutputPath::new(name).unwrap(),
        bytes: 100,
        sha256: Sha256Digest::from_bytes([7; 32]),
        fingerprint: None,
        open: Arc::new(|_, _| Err(std::io::ErrorKind::Unsupported.into())),
        sent: Arc::default(),
    }
}

pub(super) fn run_summary(names: &[&str]) -> RunSummary {
    let entry = |name: &&str| {
        let state = FileState::Collected { bytes: 100, sha256: Sha256Digest::from_bytes([7; 32]) };
        OutputFile::new(OutputPath::new(*name).unwrap(), state)
    };
    let run_id = RunId::from_bytes([7; 16]);
    RunSummary {
        run_id,
        ending: Ending::Completed,
        result: None,
        // A log may have the path of an output.
        manifest: Manifest {
            run_id,
            files: names.iter().map(entry).collect(),
            logs: vec![entry(&"a")],
            artifacts: Vec::new(),
        },
    }
}

/// A job without jitter that delivers these outputs.
pub(super) fn job(names: &[&str]) -> DeliveryJob {
    DeliveryJob {
        policy: RetryPolicy { random: || 1.0, ..RetryPolicy::default() },
        ..DeliveryJob::new(run_summary(names), names.iter().map(|name| file(name)).collect())
    }
}

pub(super) fn shown(file: &SourceFile, state: &DeliveryState) -> String {
    let reason = match state {
        DeliveryState::Delivered => String::new(),
        DeliveryState::Failed { reason } | DeliveryState::Skipped { reason } => {
            format!(": {reason}")
        }
    };
    format!("{}: {}{reason}", file.path, state.as_str())
}

/// What a manifest says of the only sink, for each output.
pub(super) fn kinds(manifest: &Manifest) -> Vec<&'static str> {
    manifest.files.iter().map(|file| file.deliveries[0].state.as_str()).collect()
}
