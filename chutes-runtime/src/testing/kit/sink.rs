//! A sink in memory that works or fails as a test specifies.

mod fault;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chutes_core::{FileKind, Manifest, RunId, Sha256Digest};
use chutes_supervisor::sink::{RunSummary, Sending, Sink, SourceFile, TransferError};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::fault::{Fault, Faults};

/// The interval at which a slow sink shows activity. It is shorter than the time that counts as a stall.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// A sink in memory that works or fails as a test specifies. All clones are the same sink.
///
/// Files have the same paths as in a directory sink: `outputs/model.bin`. A path that begins neither with
/// `outputs/` nor with `logs/` is that of an output, so `model.bin` is the same file. The retries, their delays
/// and the limits are those of every sink, except that the delays are not random: each is the longest.
///
/// ```
/// use chutes::outcome::FailureKind;
/// use chutes::testing::{TestRun, TestSink};
/// use chutes::{JobContext, JobError};
///
/// #[chutes::job]
/// async fn sink_gets_two(ctx: JobContext) -> Result<(), JobError> {
///     std::fs::write(ctx.output_dir().join("a.bin"), "a")?;
///     Ok(std::fs::write(ctx.output_dir().join("b.bin"), "b")?)
/// }
///
/// let sink = TestSink::new().refusing_for("b.bin", "403 Forbidden");
/// let finished = TestRun::of("sink_gets_two").sink(&sink).run();
/// assert_eq!(sink.files(), ["outputs/a.bin"]);
/// assert_eq!(finished.failure().kind, FailureKind::OutputsIncomplete);
/// assert_eq!(finished.outputs(), ["a.bin", "b.bin"], "nothing is lost");
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestSink {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    files: BTreeMap<String, Vec<u8>>,
    attempts: HashMap<String, usize>,
    manifest: Option<Manifest>,
}

impl TestSink {
    /// A sink that accepts all files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a file has arrived.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.lock().files.contains_key(&at_sink(path))
    }

    /// The content of a file that has arrived.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.lock().files.get(&at_sink(path)).cloned()
    }

    /// The paths of all files that have arrived, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    /// The number of attempts to deliver a file to this sink, in all runs.
    #[must_use]
    pub fn attempts(&self, path: &str) -> usize {
        self.lock().attempts.get(&at_sink(path)).copied().unwrap_or_default()
    }

    /// The last manifest that arrived, with the state of each file at this sink.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn sink_gets_a_manifest(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("a.bin"), "a")?)
    /// }
    ///
    /// let sink = TestSink::new();
    /// TestRun::of("sink_gets_a_manifest").sink(&sink).run().assert_completed();
    /// let manifest = sink.manifest().ok_or("a manifest")?;
    /// assert_eq!(manifest.files[0].path, "a.bin");
    /// assert_eq!(manifest.files[0].deliveries[0].state.as_str(), "delivered");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        self.lock().manifest.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt, and returns its fault.
    fn attempt(&self, path: &str) -> Option<Fault> {
        let mut state = self.lock();
        let attempts = state.attempts.entry(path.to_owned()).or_default();
        *attempts += 1;
        let attempt = *attempts;
        state.faults.of(path, attempt)
    }
}

/// The path of a file at the sink.
fn at_sink(path: &str) -> String {
    let kinds = [FileKind::Output, FileKind::Log];
    let is_whole = |kind: &FileKind| {
        path.strip_prefix(kind.folder()).is_some_and(|rest| rest.starts_with('/'))
    };
    if kinds.iter().any(is_whole) {
        path.to_owned()
    } else {
        format!("{}/{path}", FileKind::Output.folder())
    }
}

impl Sink for TestSink {
    fn name(&self) -> &'static str {
        "test-sink"
    }

    fn open_early(&self, _: RunId) -> Option<Sending<'_, ()>> {
        Some(Box::pin(async { Ok(()) }))
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            let path = format!("{}/{}", file.kind.folder(), file.path);
            match self.attempt(&path) {
                None => {}
                Some(Fault::Fails(message)) => return Err(TransferError::transient(message)),
                Some(Fault::Refuses(message)) => return Err(TransferError::permanent(message)),
                Some(Fault::Stalls) => std::future::pending().await,
                Some(Fault::Slow(time)) => take_time(file, time).await,
            }
            let content = content_of(file).await?;
            self.lock().files.insert(path, content);
            Ok(())
        })
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        self.lock().manifest = Some(run.manifest.clone());
        Box::pin(async { Ok(()) })
    }
}

/// Takes this time, with regular signs of activity.
async fn take_time(file: &SourceFile, time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let step = left.min(SIGN_OF_LIFE);
        sleep(step).await;
        file.count(1);
        left -= step;
    }
}

async fn content_of(file: &SourceFile) -> Result<Vec<u8>, TransferError> {
    let source = file.clone();
    let read = spawn_blocking(move || -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // Reading is bounded, because a file may grow without end.
        source.open()?.take(source.bytes + 1).read_to_end(&mut content)?;
        Ok(content)
    });
    let read = read.await.map_err(io::Error::other).flatten();
    let content =
        read.map_err(|error| TransferError::permanent(format!("it cannot be read: {error}")))?;
    if Sha256Digest::of(&content) != file.sha256 {
        return Err(TransferError::permanent("it was changed after it was collected"));
    }
    Ok(content)
}
