//! What a run tells while it goes on.

use std::time::Duration;

use chutes_core::{Phase, Status};

/// How far a job says that it has come.
///
/// Made by [`JobContext::progress`](crate::JobContext::progress), seen by an [`Observer`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::{Arc, mpsc};
/// use chutes_runtime::{JobContext, JobError, Observer, Registry, Run, RunEvent};
///
/// #[chutes_runtime::job]
/// async fn is_half_done(ctx: JobContext) -> Result<(), JobError> {
///     ctx.progress(0.5, "epoch 1 of 2");
///     Ok(())
/// }
///
/// # struct Sender(mpsc::Sender<RunEvent>);
/// # impl Observer for Sender {
/// #     fn on_event(&self, event: &RunEvent) { let _ = self.0.send(event.clone()); }
/// # }
/// # let (sender, events) = mpsc::channel();
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("is_half_done")?.clone();
/// Run::new(job, directory).observer(Arc::new(Sender(sender))).execute().await?;
/// let told = events.iter().find_map(|event| match event {
///     RunEvent::Progress(progress) => Some((progress.fraction, progress.message)),
///     _ => None,
/// });
/// assert_eq!(told, Some((0.5, "epoch 1 of 2".to_owned())));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// What the job is doing.
    pub message: String,
}

impl Progress {
    pub(crate) fn new(fraction: f64, message: String) -> Self {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        Self { fraction, message }
    }
}

/// Something that happened in a run.
///
/// ```
/// use chutes_runtime::{Phase, RunEvent, Status};
///
/// fn line(event: &RunEvent) -> Option<String> {
///     match event {
///         RunEvent::Status(status) => Some(status.label().to_owned()),
///         RunEvent::Warning(warning) => Some(format!("warning: {warning}")),
///         _ => None,
///     }
/// }
///
/// assert_eq!(line(&RunEvent::Status(Status::Accepted)).as_deref(), Some("Accepted"));
/// assert_eq!(line(&RunEvent::Phase(Phase::Start, None)), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunEvent {
    /// The status changed.
    Status(Status),
    /// A phase began; it may take so long (`None`: as long as it likes).
    Phase(Phase, Option<Duration>),
    /// The job told how far it has come. Not every report is passed on, but the newest always is.
    Progress(Progress),
    /// The run was asked to stop and has this long to do so.
    Stopping {
        /// Why, for people: a lowercase fragment.
        reason: String,
        /// The time until it is stopped by force.
        grace: Duration,
    },
    /// Something went wrong that does not decide how the run ends.
    Warning(String),
}

/// Is told of everything that happens in a run, in order.
///
/// Called by the supervisor of the run between its steps, so it should return soon.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::{Arc, mpsc};
/// use chutes_runtime::{JobContext, JobError, Observer, Registry, Run, RunEvent, Status};
///
/// struct Sender(mpsc::Sender<RunEvent>);
///
/// impl Observer for Sender {
///     fn on_event(&self, event: &RunEvent) {
///         let _ = self.0.send(event.clone());
///     }
/// }
///
/// #[chutes_runtime::job]
/// async fn is_observed(_ctx: JobContext) -> Result<(), JobError> {
///     Ok(())
/// }
///
/// let (sender, events) = mpsc::channel();
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("is_observed")?.clone();
/// Run::new(job, directory).observer(Arc::new(Sender(sender))).execute().await?;
/// assert_eq!(events.iter().next(), Some(RunEvent::Status(Status::Received)));
/// assert_eq!(events.iter().last(), Some(RunEvent::Status(Status::Completed)));
/// # Ok(()) }
/// ```
pub trait Observer: Send + Sync {
    /// Is told of one event.
    fn on_event(&self, event: &RunEvent);
}

/// Nobody is interested.
impl Observer for () {
    fn on_event(&self, _: &RunEvent) {}
}
