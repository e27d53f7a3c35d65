//! Delivery: every file of a run to every sink, and what became of each.
//!
//! All sinks work at the same time and do not wait for each other. Whatever happens, each file is
//! settled exactly once at each sink, and counts as delivered only when the sink has confirmed it.

mod attempts;
mod health;
mod one_sink;
mod stall;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use chutes_core::{
    Delivery, DeliveryState, FileKind, Manifest, OutputPath, SinkReport, UploadResponse,
};
pub use chutes_transfer::{NO_TIME_LEFT, Retry, RetryPolicy};
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::attempts::TIME_IS_OVER;
use self::health::SinkHealth;
use self::one_sink::OneSink;
pub use self::stall::send_once;
use crate::{OpenSink, RunSummary, SourceFile};

/// Called with what became of a file at the sink of this number, as soon as that is settled, and with what
/// is to be kept of the answers that came with it.
pub type Settled = dyn Fn(usize, &SourceFile, &DeliveryState, &[UploadResponse]) + Send + Sync;

/// Called when an attempt at the sink of this number has failed and another will be made: at this file, or, for
/// `None`, at preparing or completing the sink.
pub type Retrying = dyn Fn(usize, Option<&SourceFile>, Retry<'_>) + Send + Sync;

/// Files that have reached the sink of a number, with what is kept of the answers.
pub type Arrived = HashMap<(usize, FileKind, OutputPath), Vec<UploadResponse>>;

/// What is to be delivered, and how long it may take.
pub struct DeliveryJob {
    /// The run.
    pub run: RunSummary,
    /// The collected files, outputs and logs; nothing else is sent.
    pub files: Vec<SourceFile>,
    /// What has arrived in an earlier delivery of this run, which was broken off.
    pub delivered: Arrived,
    /// Called exactly once for each sink and each file that is not in `delivered`.
    pub settled: Box<Settled>,
    /// Called before each attempt that is not the first.
    pub retrying: Box<Retrying>,
    /// From now on nothing is tried again that has failed; what was not attempted is attempted once.
    pub hurry: CancellationToken,
    /// Gives up: what is not there by then has failed.
    pub stop: CancellationToken,
    /// Gives up at this time.
    pub deadline: Option<Instant>,
    /// How often something is attempted, and when an attempt stalls.
    pub policy: RetryPolicy,
}

impl DeliveryJob {
    /// A first delivery of these files, without a deadline.
    #[must_use]
    pub fn new(run: RunSummary, files: Vec<SourceFile>) -> Self {
        Self {
            run,
            files,
            delivered: HashMap::new(),
            settled: Box::new(|_, _, _, _| {}),
            retrying: Box::new(|_, _, _| {}),
            hurry: CancellationToken::new(),
            stop: CancellationToken::new(),
            deadline: None,
            policy: RetryPolicy::default(),
        }
    }
}

impl fmt::Debug for DeliveryJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryJob")
            .field("run", &self.run)
            .field("files", &self.files)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What became of all files at all sinks.
#[derive(Debug)]
pub struct Delivered {
    /// One for each sink, in their order.
    pub reports: Vec<SinkReport>,
    /// For each sink one for each file, in their order.
    pub states: Vec<Vec<DeliveryState>>,
}

/// Delivers the files to all sinks.
#[must_use = "nothing happens before it is awaited"]
pub fn deliver<'a>(sinks: &'a [OpenSink], job: &'a DeliveryJob) -> BoxFuture<'a, Delivered> {
    Box::pin(async move {
        let work = sinks.iter().map(|OpenSink { number, sink }| async move {
            let health = SinkHealth::new();
            OneSink::new(*number, &**sink, job, &health).deliver().await
        });
        let (reports, states) = join_all(work).await.into_iter().unzip();
        Delivered { reports, states }
    })
}

impl Delivered {
    /// Puts what became of these files, which are those of the job, into a manifest.
    pub fn fill(&self, files: &[SourceFile], manifest: &mut Manifest) {
        for (report, states) in self.reports.iter().zip(&self.states) {
            fill(&report.sink, files.iter().zip(states), manifest);
        }
    }
}

/// Puts what became of files at one sink into a manifest. Files that are not in it are left out.
fn fill<'a>(
    sink: &str,
    states: impl Iterator<Item = (&'a SourceFile, &'a DeliveryState)>,
    manifest: &mut Manifest,
) {
    let states: HashMap<_, _> =
        states.map(|(file, state)| ((file.kind, &file.path), state)).collect();
    for kind in FileKind::ALL {
        for file in manifest.of_kind_mut(kind) {
            if let Some(&state) = states.get(&(kind, &file.path)) {
                file.deliveries.push(Delivery { sink: sink.to_owned(), state: state.clone() });
            }
        }
    }
}
