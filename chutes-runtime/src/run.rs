//! One run of a job of this program, from `sent` to its outcome.

mod from_spec;
mod panic;
#[cfg(test)]
mod tests;
pub(crate) mod worker;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chutes_compute_horde::CLASSES;
use chutes_core::{
    JobSpec, Json, Limits, Outcome, OutputVolumes, Publish, RunId, RunRequest, SinkSpec, Work,
};
use chutes_supervisor::{CancelHandle, Observer, RunDirectory, RunError, Supervisor};
use tokio::runtime::Handle;

use self::worker::LocalStarter;
use crate::registry::Job;

/// Builds a run, and executes it.
///
/// The run happens in this process: user code is a task on a tokio runtime, supervised by the caller.
/// A job that never yields (an endless loop, a blocking call) cannot be removed from a process; it keeps running
/// when its grace is over, and the run ends without it. The command line runs jobs in a process of their own, with
/// the same steps and the same end statuses.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes::data::Json;
/// use chutes::{EndStatus, JobContext, JobError, Registry, Run};
///
/// #[chutes::job]
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
    attempt: Supervisor,
    runtime: Option<Handle>,
}

impl Run {
    /// A run of this job in this directory, with no data and the declared limits of the job. Its id is a new UUIDv7.
    /// Nothing is created or started yet.
    #[must_use]
    pub fn new(job: Job, directory: impl Into<PathBuf>) -> Self {
        let limits = Limits::for_timeout(job.timeout());
        let spec = JobSpec { limits, ..JobSpec::job(job.name().clone(), Json::empty_object()) };
        Self::with(job, spec, directory.into())
    }

    fn with(job: Job, spec: JobSpec, directory: PathBuf) -> Self {
        let request = RunRequest::new(Supervisor::new_id(), spec, directory);
        let attempt = Supervisor::new(request).contract(job.contract()).classes(&CLASSES);
        Self { job, attempt, runtime: None }
    }

    /// The id of the run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.attempt.request().run_id
    }

    /// Sets the directory, for instance to one that is named after the id.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, Registry, Run};
    /// # #[chutes::job]
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
        self.attempt.request_mut().directory = directory.into();
        self
    }

    /// Sets the data. Default `{}`. Whether it fits the job is checked when the run starts; data that
    /// does not fit rejects the run.
    #[must_use]
    pub fn data(mut self, data: Json) -> Self {
        if let Work::Job { data: current, .. } = &mut self.attempt.request_mut().spec.work {
            *current = data;
        }
        self
    }

    /// Sets the limits. Default: those of [`Limits::default`], and the time limit of the job.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use std::time::Duration;
    /// use chutes::spec::Limits;
    /// use chutes::{Registry, Run};
    ///
    /// #[chutes::job(timeout = "1h")]
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
        self.attempt.request_mut().spec.limits = limits;
        Ok(self)
    }

    /// Sets the sinks to which the files of the run are delivered. Default none. The files stay in the directory of
    /// the run in any case.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes::{JobContext, JobError, Registry, Run};
    /// #[chutes::job]
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
        let request = self.attempt.request_mut();
        request.spec.output_volumes = OutputVolumes::default();
        request.sinks = sinks;
        self
    }

    /// Sets whether finished output files are delivered while the job runs. Default no.
    #[must_use]
    pub fn live_delivery(mut self, live: bool) -> Self {
        self.attempt.request_mut().live = live;
        self
    }

    /// Sets the observer that receives all events of the run. Default none.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.attempt = self.attempt.observer(observer);
        self
    }

    /// Sets the runtime for user code. Default: the one that [`execute`](Self::execute) runs on.
    ///
    /// With a runtime of its own, user code that blocks its threads does not delay its supervisor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes::{EndStatus, JobContext, JobError, Registry, Run};
    /// # #[chutes::job]
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

    /// A handle that cancels this run from any thread, before, during and after its execution.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.attempt.cancel_handle()
    }

    /// Creates the directory of the run, and writes the spec to its journal.
    ///
    /// # Errors
    ///
    /// When the class of its spec is unknown, when the directory is not empty, or when it cannot be created or
    /// written.
    pub fn create(self) -> Result<CreatedRun, RunError> {
        Ok(CreatedRun {
            worker: LocalStarter { job: self.job, runtime: self.runtime },
            attempt: self.attempt.create()?,
        })
    }

    /// Sets the address on which the job opens its ports. Default `127.0.0.1`.
    #[must_use]
    pub fn host(mut self, host: IpAddr) -> Self {
        self.attempt.request_mut().access.host = host;
        self
    }

    /// Publishes ports at other numbers than the declared ones. Default none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes::{JobContext, JobError, Registry, Run};
    /// #[chutes::job(ports = [http("web", 8080)])]
    /// async fn has_a_free_port(ctx: JobContext) -> Result<u16, JobError> {
    ///     Ok(ctx.port("web")?.bind_tcp().await?.local_addr()?.port())
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("has_a_free_port")?.clone();
    /// let outcome = Run::new(job, directory).publish(vec!["8080:0".parse()?]).execute().await?;
    /// let number = outcome.endpoints.ports[0].address.port();
    /// assert_eq!(outcome.result.map(|it| it.to_string()), Some(number.to_string()));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn publish(mut self, publish: Vec<Publish>) -> Self {
        self.attempt.request_mut().spec.publish = publish;
        self
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
    /// # use chutes::{JobContext, JobError, Registry, Run};
    /// use chutes::outcome::Phase;
    ///
    /// #[chutes::job]
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
    /// `run.jsonl`; all outputs that can be read are in `manifest.json` with their checksums.
    ///
    /// # Errors
    ///
    /// Only before anything is started: see [`create`](Self::create).
    pub async fn execute(self) -> Result<Outcome, RunError> {
        Ok(self.create()?.execute().await)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attempt.fmt(f)
    }
}

/// A run that has its directory and has not started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use chutes::data::Json;
/// # use chutes::{JobContext, JobError, Registry, Run};
/// #[chutes::job]
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
    attempt: chutes_supervisor::CreatedRun,
    worker: LocalStarter,
}

impl CreatedRun {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        self.attempt.directory()
    }

    /// Runs the job to its outcome; see [`Run::execute`].
    pub async fn execute(self) -> Outcome {
        self.attempt.supervise(self.worker).await
    }
}

/// The execution limit of a run is longer than the one that its job declares.
///
/// ```
/// # use chutes::{JobContext, JobError};
/// use chutes::spec::Limits;
/// use chutes::{Registry, Run};
///
/// #[chutes::job(timeout = "1m")]
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
