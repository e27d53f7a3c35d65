//! One execution of a job, from `sent` to its outcome.

mod cancel;
mod directory;
mod ending;
mod hooks;
mod journal;
mod lifecycle;
mod panic;
mod supervise;
#[cfg(test)]
mod tests;
mod user_code;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use chutes_core::{JobSpec, Json, Limits, Outcome, RunId};
use tokio::runtime::Handle;

pub use self::cancel::CancelHandle;
use self::directory::RunRoot;
pub use self::directory::{RunDirectory, RunDirectoryError};
use self::journal::{Entry, Journal};
use crate::event::Observer;
use crate::registry::Job;

/// A run that is being put together, then a run.
///
/// The run happens in this process: user code is a task on a tokio runtime, supervised by the caller.
/// A job that never yields (an endless loop, a blocking call) cannot be removed from a process; it
/// is left behind when its grace is over, and the run ends without it.
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
    job: Job,
    id: RunId,
    spec: JobSpec,
    directory: PathBuf,
    host: IpAddr,
    observer: Arc<dyn Observer>,
    runtime: Option<Handle>,
    cancel: CancelHandle,
}

impl Run {
    /// A run of this job in this directory, with no data and the limits that the job declares. Its id
    /// is a new UUIDv7. Nothing is made or started yet.
    #[must_use]
    pub fn new(job: Job, directory: impl Into<PathBuf>) -> Self {
        let limits = Limits::for_timeout(job.timeout());
        Self {
            id: RunId::from_bytes(uuid::Uuid::now_v7().into_bytes()),
            spec: JobSpec { job: job.name().clone(), data: Json::empty_object(), limits },
            job,
            directory: directory.into(),
            host: Ipv4Addr::LOCALHOST.into(),
            observer: Arc::new(()),
            runtime: None,
            cancel: CancelHandle::new(),
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
        self.spec.data = data;
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
        if let Some(declared) = self.job.timeout() {
            let wanted = limits.execute;
            if wanted.is_none_or(|wanted| wanted > declared.duration()) {
                return Err(LimitTooLong { declared: declared.seconds() });
            }
        }
        self.spec.limits = limits;
        Ok(self)
    }

    /// Sets the address on which the job opens its ports. Default `127.0.0.1`.
    #[must_use]
    pub fn host(mut self, host: IpAddr) -> Self {
        self.host = host;
        self
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
    /// When there is something in the directory, or it cannot be made or written.
    pub fn create(self) -> Result<CreatedRun, RunError> {
        let directory = RunDirectory::create(&self.directory)?;
        let root = Arc::new(RunRoot::open(&directory)?);
        let file = root.create_journal().map_err(|error| match error.kind() {
            // Another run was faster.
            io::ErrorKind::AlreadyExists => {
                RunDirectoryError::NotEmpty { path: directory.root().to_owned() }.into()
            }
            _ => RunError::Journal(error),
        })?;
        let mut journal = Journal::new(file);
        journal.append(Entry::Run { id: self.id, spec: &self.spec }).map_err(RunError::Journal)?;
        Ok(CreatedRun { run: self, directory, root, journal })
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

/// A run that has its directory and has not started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use chutes_runtime::{Json, JobContext, JobError, Registry, Run};
/// #[chutes_runtime::job]
/// async fn reads_an_input(ctx: JobContext) -> Result<String, JobError> {
///     Ok(std::fs::read_to_string(ctx.input_dir().join("name.txt"))?)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("reads_an_input")?.clone();
/// let created = Run::new(job, directory).create()?;
/// std::fs::write(created.directory().inputs().join("name.txt"), "Ada")?;
/// let outcome = created.execute().await;
/// assert_eq!(outcome.result, Some(Json::parse(r#""Ada""#)?));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CreatedRun {
    run: Run,
    directory: RunDirectory,
    root: Arc<RunRoot>,
    journal: Journal,
}

impl CreatedRun {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Runs the job to its outcome; see [`Run::execute`].
    pub async fn execute(self) -> Outcome {
        supervise::supervise(self).await
    }
}

/// Why a run cannot begin.
///
/// ```
/// # use chutes_runtime::{JobContext, JobError};
/// use chutes_runtime::{Registry, Run};
///
/// # #[chutes_runtime::job]
/// # async fn has_no_room(_ctx: JobContext) -> Result<(), JobError> { Ok(()) }
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("notes.txt"), "mine")?;
/// let job = Registry::collect()?.get("has_no_room")?.clone();
/// let error = Run::new(job, folder.path()).create().unwrap_err();
/// assert!(error.to_string().ends_with("` is not empty"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// Its journal cannot be written.
    #[error("cannot write the journal of the run")]
    Journal(#[source] io::Error),
}

/// A run may ask for less time than its job declares, never for more.
///
/// ```
/// # use chutes_runtime::{JobContext, JobError};
/// use chutes_runtime::{Limits, Registry, Run};
///
/// #[chutes_runtime::job(timeout = "1m")]
/// async fn may_take_a_minute(_ctx: JobContext) -> Result<(), JobError> {
///     Ok(())
/// }
///
/// let run = Run::new(Registry::collect()?.get("may_take_a_minute")?.clone(), "runs/first");
/// let error = run.limits(Limits::default()).unwrap_err();
/// assert_eq!(error.to_string(), "a run may not take longer than its job declares: 1m");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run may not take longer than its job declares: {}", chutes_core::HumanDuration(std::time::Duration::from_secs(*declared)))]
pub struct LimitTooLong {
    /// The limit of the job, in seconds.
    pub declared: u64,
}
