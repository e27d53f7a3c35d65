//! One execution of a job, from `sent` to its outcome.

pub(crate) mod access;
mod cancel;
mod complete;
mod created;
mod deliver;
mod directory;
mod download;
mod ending;
mod error;
#[cfg(feature = "fault-injection")]
pub(crate) mod fault;
mod hooks;
mod journal;
mod lifecycle;
mod live;
mod of_spec;
pub(crate) mod output;
mod panic;
#[cfg_attr(
    not(feature = "command-line"),
    expect(dead_code, reason = "only the command line uses it")
)]
pub(crate) mod recover;
#[cfg(feature = "command-line")]
pub(crate) mod result;
mod supervise;
#[cfg(test)]
mod tests;
mod user_code;
pub(crate) mod worker;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use chutes_compute_horde::CLASSES;
use chutes_core::{JobSpec, Json, Limits, Outcome, RunId, SinkSpec, Work};
use tokio::runtime::Handle;

pub(crate) use self::access::AccessSettings;
pub use self::cancel::CancelHandle;
#[cfg(feature = "command-line")]
pub(crate) use self::cancel::Urgency;
pub use self::created::CreatedRun;
use self::deliver::Sinks;
use self::directory::RunRoot;
pub use self::directory::{RunDirectory, RunDirectoryError};
use self::download::VolumeSettings;
pub use self::error::{LimitTooLong, RunError};
use self::journal::{Entry, Journal};
use crate::address::AddressPolicy;
use crate::event::Observer;
use crate::registry::Job;
use crate::sink;

/// A run that is being put together, then a run.
///
/// The run happens in this process: user code is a task on a tokio runtime, supervised by the caller.
/// A job that never yields (an endless loop, a blocking call) cannot be removed from a process; it
/// is left behind when its grace is over, and the run ends without it. The command line runs jobs in a
/// process of their own, with the same steps and the same ends.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes_runtime::{EndStatus, JobContext, JobError, Json, Registry, Run};
///
/// #[chutes_runtime::job]
/// async fn doubles(_ctx: JobContext, number: u32) -> Result<u32, JobError> {
///     Ok(2 * number)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("doubles")?.clone();
/// let outcome = Run::new(job, directory).data(Json::parse("21")?).execute().await?;
/// assert_eq!(outcome.status(), EndStatus::Completed);
/// assert_eq!(outcome.result, Some(Json::parse("42")?));
/// # Ok(()) }
/// ```
pub struct Run {
    /// `None` for an image.
    job: Option<Job>,
    id: RunId,
    spec: JobSpec,
    sinks: Vec<SinkSpec>,
    #[cfg(feature = "testing")]
    test_sinks: Vec<Arc<dyn sink::Sink>>,
    live: bool,
    directory: PathBuf,
    access: AccessSettings,
    /// Which addresses the spec may name.
    addresses: AddressPolicy,
    observer: Arc<dyn Observer>,
    runtime: Option<Handle>,
    cancel: CancelHandle,
    volume_settings: Option<VolumeSettings>,
}

impl Run {
    /// A run of this job in this directory, with no data and the limits that the job declares. Its id
    /// is a new UUIDv7. Nothing is made or started yet.
    #[must_use]
    pub fn new(job: Job, directory: impl Into<PathBuf>) -> Self {
        let limits = Limits::for_timeout(job.timeout());
        let spec = JobSpec { limits, ..JobSpec::job(job.name().clone(), Json::empty_object()) };
        Self::with(Some(job), spec, directory.into())
    }

    fn with(job: Option<Job>, spec: JobSpec, directory: PathBuf) -> Self {
        Self {
            job,
            id: RunId::from_bytes(uuid::Uuid::now_v7().into_bytes()),
            spec,
            sinks: Vec::new(),
            #[cfg(feature = "testing")]
            test_sinks: Vec::new(),
            live: false,
            directory,
            access: AccessSettings::default(),
            addresses: AddressPolicy::default(),
            observer: Arc::new(()),
            runtime: None,
            cancel: CancelHandle::new(),
            volume_settings: None,
        }
    }

    /// The id of the run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Sets the directory, for instance to one that is named after the id.
    ///
    /// ```
    /// # use chutes_runtime::{JobContext, JobError, Registry, Run};
    /// # #[chutes_runtime::job]
    /// # async fn has_a_folder(_ctx: JobContext) -> Result<(), JobError> { Ok(()) }
    /// let runs = tempfile::tempdir()?;
    /// let run = Run::new(Registry::collect()?.get("has_a_folder")?.clone(), "");
    /// let folder = runs.path().join(run.id().to_string());
    /// let created = run.directory(&folder).create()?;
    /// assert_eq!(created.directory().root(), folder);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Sets the data. Default `{}`. Whether it fits the job is checked when the run starts; data that
    /// does not fit rejects the run.
    #[must_use]
    pub fn data(mut self, data: Json) -> Self {
        if let Work::Job { data: current, .. } = &mut self.spec.work {
            *current = data;
        }
        self
    }

    /// Sets the limits. Default: those of [`Limits::default`], and the time limit of the job.
    ///
    /// ```
    /// # use chutes_runtime::{JobContext, JobError};
    /// use std::time::Duration;
    /// use chutes_runtime::{Limits, Registry, Run};
    ///
    /// #[chutes_runtime::job(timeout = "1h")]
    /// async fn may_take_an_hour(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(())
    /// }
    ///
    /// let run = Run::new(Registry::collect()?.get("may_take_an_hour")?.clone(), "runs/first");
    /// let execute = Some(Duration::from_secs(600));
    /// let run = run.limits(Limits { execute, ..Limits::default() })?;
    /// assert!(run.limits(Limits { execute: None, ..Limits::default() }).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the execution limit is longer than the one that the job declares, or is `None` although
    /// the job declares one.
    pub fn limits(mut self, limits: Limits) -> Result<Self, LimitTooLong> {
        if let Some(declared) = self.job.as_ref().and_then(Job::timeout) {
            let wanted = limits.execute;
            if wanted.is_none_or(|wanted| wanted > declared.duration()) {
                return Err(LimitTooLong { declared: declared.seconds() });
            }
        }
        self.spec.limits = limits;
        Ok(self)
    }

    /// Sets where the files of the run are delivered to. Default nowhere: they stay in the directory of
    /// the run, which they do in any case.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes_runtime::{JobContext, JobError, Registry, Run};
    /// #[chutes_runtime::job]
    /// async fn leaves_a_note(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("note.txt"), "hello")?)
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let backup = folder.path().join("backup");
    /// let job = Registry::collect()?.get("leaves_a_note")?.clone();
    /// let sink = backup.display().to_string().parse()?;
    /// let outcome = Run::new(job, directory).sinks(vec![sink]).execute().await?;
    /// assert_eq!(outcome.sinks[0].delivered, 1);
    /// assert_eq!(std::fs::read_to_string(backup.join("outputs/note.txt"))?, "hello");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn sinks(mut self, sinks: Vec<SinkSpec>) -> Self {
        self.sinks = sinks;
        self
    }

    /// Sets whether finished output files are delivered while the job goes on. Default no.
    #[must_use]
    pub fn live_delivery(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// Whether files may leave the directory of the run.
    fn uploads(&self) -> bool {
        self.job.as_ref().is_none_or(Job::uploads)
    }

    /// The data of the job; an image has none.
    fn job_data(&self) -> Json {
        match &self.spec.work {
            Work::Job { data, .. } => data.clone(),
            Work::Image { .. } => Json::null(),
        }
    }

    /// Whether files come or go, or others connect.
    #[cfg(feature = "command-line")]
    pub(crate) fn has_transfers(&self) -> bool {
        let has_ssh = self.job.as_ref().is_some_and(|job| job.ports().ssh());
        let is_reached = has_ssh || self.spec.streaming.is_some();
        let has_files = !self.sinks.is_empty() || !self.spec.input_volumes.is_empty();
        has_files || is_reached || self.job.is_none()
    }

    /// Sets who is told of everything that happens. Default nobody.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Sets the runtime for user code. Default: the one that [`execute`](Self::execute) runs on.
    ///
    /// With a runtime of its own, user code that blocks its threads does not delay its supervisor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes_runtime::{EndStatus, JobContext, JobError, Registry, Run};
    /// # #[chutes_runtime::job]
    /// # async fn has_a_runtime(_ctx: JobContext) -> Result<(), JobError> { Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let run = Run::new(Registry::collect()?.get("has_a_runtime")?.clone(), folder.path());
    /// let user_code = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// let outcome = run.runtime(user_code.handle().clone()).execute().await?;
    /// assert_eq!(outcome.status(), EndStatus::Completed);
    /// user_code.shutdown_background();
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Asks this run to stop, from anywhere, as often as you like: before, while and after it runs.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Makes the directory of the run and writes down what was asked for.
    ///
    /// # Errors
    ///
    /// When the class of its spec is unknown, when there is something in the directory, or when it cannot be
    /// made or written.
    pub fn create(self) -> Result<CreatedRun, RunError> {
        self.spec.check_class(&CLASSES)?;
        let wanted = self.places()?;
        let sinks = Sinks::open(&wanted, &self.directory, &self.addresses)?;
        #[cfg(feature = "testing")]
        let sinks = sinks.with(&self.test_sinks);
        // Afterwards it would be too late to choose another place.
        sink::check_local(&wanted, &self.directory)?;
        let directory = RunDirectory::create(&self.directory)?;
        if self.spec.artifacts_dir.is_some() {
            directory.make_artifacts()?;
        }
        let root = Arc::new(RunRoot::open(&directory)?);
        let file = root.create_journal().map_err(|error| match error.kind() {
            // Another run was faster.
            io::ErrorKind::AlreadyExists => {
                RunDirectoryError::NotEmpty { path: directory.root().to_owned() }.into()
            }
            _ => RunError::Journal(error),
        })?;
        deliver::remember(&wanted, &root).map_err(RunError::Journal)?;
        let mut journal = Journal::new(file);
        let spec = access::without_private_key(self.spec.without_secrets());
        let begin = Entry::Run { id: self.id, spec: &spec, uploads: self.uploads() };
        journal.append(begin).map_err(RunError::Journal)?;
        Ok(CreatedRun { run: self, directory, root, journal, sinks })
    }

    /// Where this very run delivers to, also for a process in another directory.
    fn places(&self) -> Result<Vec<SinkSpec>, RunError> {
        let here = std::env::current_dir().map_err(RunError::Journal)?;
        let place =
            |sink: &SinkSpec| sink.for_run(self.id, &self.spec.target()).in_directory(&here);
        Ok(self.sinks.iter().map(place).collect())
    }

    /// Runs the job to its outcome.
    ///
    /// # Expected flow
    ///
    /// Startup hooks, the job, shutdown hooks, then the outputs are collected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes_runtime::{JobContext, JobError, Registry, Run};
    /// use chutes_runtime::Phase;
    ///
    /// #[chutes_runtime::job]
    /// async fn passes_through(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(())
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("passes_through")?.clone();
    /// let outcome = Run::new(job, directory).execute().await?;
    /// let phases: Vec<Phase> = outcome.phases.iter().map(|report| report.phase).collect();
    /// assert_eq!(phases, [Phase::Start, Phase::Execute, Phase::Upload]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Guarantees
    ///
    /// Once the directory exists there is exactly one outcome, whatever user code does, and it is in
    /// `run.json`; all outputs that can be read are in `manifest.json` with their checksums.
    ///
    /// # Errors
    ///
    /// Only before anything happened: see [`create`](Self::create).
    pub async fn execute(self) -> Result<Outcome, RunError> {
        Ok(self.create()?.execute().await)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.id)
            .field("spec", &self.spec)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}
