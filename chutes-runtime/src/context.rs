//! The context of a job: its run, its directories, its cancellation, its ports and its state.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chutes_core::{JobName, Json, Progress, RunId};
use chutes_supervisor::RunDirectory;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::port::{RunPort, RunPorts, UnknownPort};
use crate::state::{MissingState, State};

/// The context of one run, for its job and its hooks. It is cheap to clone; all clones share the same run.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes::{JobContext, JobError, Registry, Run};
///
/// #[chutes::job]
/// async fn writes_a_file(ctx: JobContext) -> Result<String, JobError> {
///     let draft = ctx.scratch_dir().join("draft.txt");
///     std::fs::write(&draft, "hello")?;
///     std::fs::copy(&draft, ctx.output_dir().join("final.txt"))?;
///     Ok(format!("{} {}", ctx.job(), ctx.run_id().short()))
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("writes_a_file")?.clone();
/// let outcome = Run::new(job, directory).execute().await?;
/// assert_eq!(outcome.outputs.iter().map(|it| &it.path).collect::<Vec<_>>(), ["final.txt"]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JobContext {
    inner: Arc<Inner>,
}

/// The data that all clones of a context share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) run_id: RunId,
    pub(crate) job: JobName,
    pub(crate) directory: RunDirectory,
    pub(crate) data: Json,
    pub(crate) ports: RunPorts,
    pub(crate) attempt: u32,
    pub(crate) cancellation: CancellationToken,
    pub(crate) progress: watch::Sender<Option<Progress>>,
    pub(crate) deadline: OnceLock<Instant>,
    pub(crate) state: State,
}

impl JobContext {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The id of the run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.inner.run_id
    }

    /// The name of the job.
    #[must_use]
    pub fn job(&self) -> &JobName {
        &self.inner.job
    }

    /// The directory for outputs. Every regular file below it is collected when the run ends, also when it fails. An
    /// absolute path.
    #[must_use]
    pub fn output_dir(&self) -> &Path {
        self.inner.directory.outputs()
    }

    /// The directory for small files that are returned with the result, if the spec of the run has an
    /// `artifacts_dir`. An absolute path.
    ///
    /// See [`Run::from_spec`](crate::Run::from_spec).
    #[must_use]
    pub fn artifacts_dir(&self) -> Option<PathBuf> {
        Some(self.inner.directory.artifacts()).filter(|path| path.is_dir())
    }

    /// The directory for temporary files. Nothing in it is collected. An absolute path.
    #[must_use]
    pub fn scratch_dir(&self) -> &Path {
        self.inner.directory.scratch()
    }

    /// The directory with the inputs; empty when the run has none. An absolute path.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// fn samples(ctx: &JobContext) -> Result<String, JobError> {
    ///     Ok(std::fs::read_to_string(ctx.input_dir().join("samples.csv"))?)
    /// }
    ///
    /// let folder = tempfile::tempdir()?;
    /// let ctx = chutes::testing::context(folder.path())?;
    /// std::fs::write(ctx.input_dir().join("samples.csv"), "a,b")?;
    /// assert!(samples(&ctx).is_ok_and(|text| text == "a,b"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn input_dir(&self) -> &Path {
        self.inner.directory.inputs()
    }

    /// The token that is cancelled when the run is asked to stop: by a signal, by the service, or by a time limit. The
    /// job then has its grace (default 30 seconds) to end.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// # async fn next_batch() {}
    /// async fn work(ctx: JobContext) -> Result<u32, JobError> {
    ///     let mut batches = 0;
    ///     while let Some(()) = ctx.cancellation().run_until_cancelled(next_batch()).await {
    ///         batches += 1;
    /// #       if batches == 3 { break }
    ///     }
    ///     Ok(batches)
    /// }
    /// ```
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.inner.cancellation
    }

    /// Waits until the run is asked to stop, perhaps for ever.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// # async fn next_batch() -> u32 { 1 }
    /// async fn work(ctx: JobContext) -> Result<u32, JobError> {
    ///     let mut sum = 0;
    ///     loop {
    ///         tokio::select! {
    ///             () = ctx.cancelled() => return Ok(sum),
    ///             batch = next_batch() => sum += batch,
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn cancelled(&self) {
        self.inner.cancellation.cancelled().await;
    }

    /// Whether the run has been asked to stop.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let ctx = chutes::testing::context(folder.path())?;
    /// assert!(!ctx.is_cancelled());
    /// ctx.cancellation().cancel();
    /// assert!(ctx.is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancellation.is_cancelled()
    }

    /// A port that the job declares, with its address in this run.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// #[chutes::job(ports = [tcp("metrics", 9090)])]
    /// async fn serves_metrics(ctx: JobContext) -> Result<u16, JobError> {
    ///     let listener = ctx.port("metrics")?.bind_tcp().await?;
    ///     Ok(listener.local_addr()?.port())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When the job declares no port of this name.
    pub fn port(&self, name: &str) -> Result<RunPort, UnknownPort> {
        self.inner.ports.get(name)
    }

    /// The value of type `S` that a startup hook returned.
    ///
    /// ```standalone_crate
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use chutes::data::Json;
    /// use chutes::{JobContext, JobError, Registry, Run};
    ///
    /// struct Device(&'static str);
    ///
    /// #[chutes::on_startup]
    /// async fn choose_device() -> Result<Device, JobError> {
    ///     Ok(Device("cpu"))
    /// }
    ///
    /// #[chutes::job]
    /// async fn names_its_device(ctx: JobContext) -> Result<&'static str, JobError> {
    ///     Ok(ctx.state::<Device>()?.0)
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("names_its_device")?.clone();
    /// let outcome = Run::new(job, directory).execute().await?;
    /// assert_eq!(outcome.result, Some(Json::parse(r#""cpu""#)?));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When no startup hook that has run returns an `S`.
    pub fn state<S: Send + Sync + 'static>(&self) -> Result<Arc<S>, MissingState> {
        self.inner.state.get()
    }

    /// Reports the progress of the job: a fraction from 0 to 1, and what the job is doing.
    ///
    /// The call is cheap, never blocks, and may be repeated at any rate: only the newest report counts. A fraction
    /// outside of 0 to 1 is clamped, and one that is not a number counts as 0.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// async fn train(ctx: JobContext, epochs: u32) -> Result<(), JobError> {
    ///     for epoch in 1..=epochs {
    ///         ctx.progress(f64::from(epoch) / f64::from(epochs), format!("epoch {epoch} of {epochs}"));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn progress(&self, fraction: f64, message: impl Into<String>) {
        self.inner.progress.send_replace(Some(Progress::new(fraction, message)));
    }

    /// The number of this attempt at the run, from 1. It is always 1 without a service that repeats runs.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// When the job will be asked to stop; `None` when it has no time limit, or has not started, as in startup hooks.
    /// The grace begins at the deadline.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use chutes::data::Json;
    /// use chutes::{JobContext, JobError, Registry, Run};
    ///
    /// #[chutes::job(timeout = "1m")]
    /// async fn has_time_left(ctx: JobContext) -> Result<bool, JobError> {
    ///     Ok(ctx.remaining().is_some_and(|left| left > Duration::from_secs(5)))
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("has_time_left")?.clone();
    /// let outcome = Run::new(job, directory).execute().await?;
    /// assert_eq!(outcome.result, Some(Json::parse("true")?));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.inner.deadline.get().copied()
    }

    /// The time until the [`deadline`](Self::deadline); zero after it, `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The data of the run as it was sent, including the top-level keys of the platform, which start with `_`. `null`
    /// by default in a context of [`testing`](crate::testing).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use chutes::data::Json;
    /// use chutes::{JobContext, JobError, Registry, Run};
    ///
    /// #[chutes::job]
    /// async fn echoes(ctx: JobContext) -> Result<Json, JobError> {
    ///     Ok(ctx.data().clone())
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("echoes")?.clone();
    /// let data = Json::parse(r#"{"_tenant": "blue"}"#)?;
    /// let outcome = Run::new(job, directory).data(data.clone()).execute().await?;
    /// assert_eq!(outcome.result, Some(data));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn data(&self) -> &Json {
        &self.inner.data
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("run_id", &self.inner.run_id)
            .field("job", &self.inner.job)
            .finish_non_exhaustive()
    }
}
