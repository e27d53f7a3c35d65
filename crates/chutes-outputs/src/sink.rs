//! What a place that files are delivered to has to know: how one file gets there, once.

use std::future::Future;
use std::pin::Pin;

use chutes_core::{Ending, FileKind, Json, Manifest, OutputPath, RunId, UploadResponse};
use chutes_transfer::TransferError;

use crate::source::SourceFile;

/// What a sink answers, later.
pub type Sending<'a, T> = Pin<Box<dyn Future<Output = Result<T, TransferError>> + Send + 'a>>;

/// What is known of a run when its files are delivered.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// The run.
    pub run_id: RunId,
    /// How user code ended. Files that cannot be delivered may still change how the run ends.
    pub ending: Ending,
    /// What the job returned, if it did.
    pub result: Option<Json>,
    /// All files of the run, delivered or not.
    pub manifest: Manifest,
}

/// A place that files are delivered to.
///
/// The order of calls for one run is [`begin`](Self::begin), then [`send`](Self::send) for each file
/// (several at a time), then [`finish`](Self::finish). Each is called again when it fails with an error
/// that is transient, and its future is dropped when nothing moves for too long: so each must be able to
/// begin anew. A run that is recovered begins anew and sends only what is missing.
///
/// A sink neither retries nor limits anything by itself: [`deliver`](crate::delivery::deliver) does,
/// for all sinks alike.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::io::Read;
/// use std::sync::Mutex;
///
/// use chutes_outputs::{Sending, Sink, SourceFile};
/// use chutes_transfer::TransferError;
///
/// /// Keeps small files in memory.
/// #[derive(Default)]
/// struct MemorySink {
///     files: Mutex<BTreeMap<String, Vec<u8>>>,
/// }
///
/// impl Sink for MemorySink {
///     fn name(&self) -> &str {
///         "memory"
///     }
///
///     fn skips(&self, file: &SourceFile) -> Option<String> {
///         (file.bytes > 1024).then(|| "it is too large".to_owned())
///     }
///
///     fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
///         Box::pin(async move {
///             let mut content = Vec::new();
///             let read = file.open().and_then(|mut from| from.read_to_end(&mut content));
///             read.map_err(|error| TransferError::permanent(error.to_string()))?;
///             // One that moves is not taken for one that stalls.
///             file.count(content.len());
///             self.files.lock().unwrap().insert(file.path.to_string(), content);
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait Sink: Send + Sync {
    /// The sink as it is shown: without credentials and query.
    fn name(&self) -> &str;

    /// Whether the spec declares it as an output volume. Then its answers are kept, and a run fails
    /// that has not delivered all of its files there.
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

    /// Takes one file, from its beginning. It is there, whole and safe, when this returns `Ok`. Bytes
    /// that go out are counted by [`SourceFile::count`].
    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()>;

    /// Takes several small files together, from their beginning, because that costs less. Those whose places in the list are
    /// returned are there, whole and safe; the others are [sent](Self::send) one by one, so that why they are not is not
    /// reported. What is copied is counted by [`moved`](Self::moved). `None` when files do not cost less together.
    fn send_together(&self, files: Vec<SourceFile>) -> Option<Sending<'_, Vec<usize>>> {
        let _ = files;
        None
    }

    /// How many bytes of this file are kept from attempts that broke off, and will not be sent again. An attempt after
    /// which there are more has got further, so attempts are counted anew.
    fn kept(&self, file: &SourceFile) -> u64 {
        let _ = file;
        0
    }

    /// Called when this file will not be sent again: removes what is [kept](Self::kept) of it. An error is not reported.
    fn abandon<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        let _ = file;
        Box::pin(async { Ok(()) })
    }

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

    /// How many bytes have gone out in `begin`, `send_together` and `finish`. While this number grows, a call is slow and
    /// does not stall.
    fn moved(&self) -> u64 {
        0
    }

    /// Called when all files are there, or no more will come: `run` has what became of them.
    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        let _ = run;
        Box::pin(async { Ok(()) })
    }
}
