//! Sinks: where the files of a run are delivered to.
//!
//! [`Sink`] is what a kind of sink has to know: how one file gets there, once. When, how often, how
//! many at a time, and what became of it is decided by `delivery`, for all kinds alike.

mod blocking;
mod copying;
pub(crate) mod delivery;
mod directory;
mod folder;
#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod object_store;
pub(crate) mod open;
#[cfg(feature = "http")]
mod reading;
mod source;
#[cfg(feature = "http")]
mod status_url;
#[cfg(test)]
mod test_run;
#[cfg(feature = "zip")]
mod zip;

use std::future::Future;
use std::pin::Pin;

use chutes_core::{Ending, FileKind, Json, Manifest, OutputPath, RunId, UploadResponse};
use chutes_transfer::TransferError;

pub(crate) use self::source::{SourceFile, Stamp};

/// What a sink answers, later.
pub(crate) type Sending<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, TransferError>> + Send + 'a>>;

/// What is known of a run when its files are delivered.
#[derive(Clone, Debug)]
pub(crate) struct RunSummary {
    pub(crate) run_id: RunId,
    /// How user code ended. Files that cannot be delivered may still change how the run ends.
    pub(crate) ending: Ending,
    pub(crate) result: Option<Json>,
    /// All files of the run, delivered or not.
    pub(crate) manifest: Manifest,
}

/// One kind of place that files are delivered to. The order of calls for one run is `begin`, then
/// `send` for each file (several at a time), then `finish`; each is repeated when it fails with an
/// error that may pass. A run that is recovered begins anew and sends only what is missing.
pub(crate) trait Sink: Send + Sync {
    /// The sink as it is shown: without credentials and query.
    fn name(&self) -> &str;

    /// Whether the spec declares it as an output volume: then the answers are kept, and a run that it
    /// has not all of has failed.
    fn is_declared(&self) -> bool {
        false
    }

    /// How many files may be on their way at a time.
    fn concurrency(&self) -> usize {
        8
    }

    /// Why the sink is not meant to have this file, if it is not.
    fn skips(&self, file: &SourceFile) -> Option<String> {
        let _ = file;
        None
    }

    /// Prepares the sink for files that are sent while the job goes on, before `begin`, and again when
    /// they have changed. `None` when it takes none so early.
    fn open_early(&self, run_id: RunId) -> Option<Sending<'_, ()>> {
        let _ = run_id;
        None
    }

    /// Prepares the sink for the files of a run.
    fn begin<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        let _ = run;
        Box::pin(async { Ok(()) })
    }

    /// Takes one file, from its beginning. It is there, whole and safe, when this returns `Ok`.
    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()>;

    /// What servers have answered when they took this file.
    fn answers_for(&self, kind: FileKind, path: &OutputPath) -> Vec<UploadResponse> {
        let _ = (kind, path);
        Vec::new()
    }

    /// What servers have answered to what was sent in `finish`.
    fn answers_at_finish(&self) -> Vec<UploadResponse> {
        Vec::new()
    }

    /// Whether the files are there only when `finish` has succeeded, all at once. They count as
    /// delivered from then on, and a run that is recovered sends all of them again.
    fn arrives_at_finish(&self) -> bool {
        false
    }

    /// How many bytes have gone out in `begin` and `finish`. One that takes long is told by it from
    /// one that stalls.
    fn moved(&self) -> u64 {
        0
    }

    /// Is told that all files are there, or that no more will come: `run` has what became of them.
    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        let _ = run;
        Box::pin(async { Ok(()) })
    }
}
