//! Support for the tests of jobs: a context for the function of a job, and whole runs.
//!
//! A job is an ordinary function. [`context`] and [`ContextBuilder`] build its argument:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes::{JobContext, JobError, testing};
//!
//! async fn stops_early(ctx: JobContext) -> Result<&'static str, JobError> {
//!     Ok(if ctx.is_cancelled() { "stopped" } else { "finished" })
//! }
//!
//! let folder = tempfile::tempdir()?;
//! let ctx = testing::context(folder.path())?;
//! ctx.cancellation().cancel();
//! assert!(stops_early(ctx).await.is_ok_and(|end| end == "stopped"));
//! # Ok(()) }
//! ```
#![cfg_attr(feature = "testing", doc = include_str!("testing/module.md"))]

#[cfg(feature = "testing")]
mod kit;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chutes_core::{JobName, Json, Port, Progress, RunId};
use chutes_supervisor::{RunDirectory, RunDirectoryError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "testing")]
pub use self::kit::{FinishedRun, TestRun, TestSink};
use crate::context::{Inner, JobContext};
use crate::definition::StateValue;
use crate::port::RunPorts;
use crate::state::State;

/// A context with its directories below `directory`, which must be empty. Only the test cancels it, with
/// `context.cancellation().cancel()`. The job is named `test`; the context has no data, no ports, no state and no
/// deadline, and is that of the first attempt. [`ContextBuilder`] changes these.
///
/// ```
/// use chutes::{JobContext, JobError};
///
/// async fn greet(ctx: JobContext, name: String) -> Result<usize, JobError> {
///     std::fs::write(ctx.output_dir().join("greeting.txt"), format!("Hello, {name}!"))?;
///     Ok(name.len())
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let directory = tempfile::tempdir()?;
/// let ctx = chutes::testing::context(directory.path())?;
/// assert_eq!(greet(ctx.clone(), "Ada".into()).await.unwrap(), 3);
/// assert!(ctx.output_dir().join("greeting.txt").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When there is something in the directory, or it cannot be made.
pub fn context(directory: &Path) -> Result<JobContext, RunDirectoryError> {
    ContextBuilder::new(directory).build()
}

/// Builds a context with state, ports and data.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes::contract::{Port, Protocol};
/// use chutes::testing::{self, ContextBuilder};
/// use chutes::{JobContext, JobError};
///
/// async fn serves(ctx: JobContext) -> Result<u16, JobError> {
///     let greeting = ctx.state::<String>()?;
///     ctx.progress(0.5, greeting.as_str());
///     Ok(ctx.port("web")?.bind_tcp().await?.local_addr()?.port())
/// }
///
/// let folder = tempfile::tempdir()?;
/// let ctx = ContextBuilder::new(folder.path())
///     .state("hello".to_owned())
///     .port(Port::new("web", 8080, Protocol::Http)?, ([127, 0, 0, 1], 0).into())
///     .build()?;
/// assert!(serves(ctx.clone()).await.is_ok_and(|port| port != 8080), "a free port");
/// assert_eq!(testing::progress(&ctx).map(|progress| progress.message), Some("hello".to_owned()));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ContextBuilder {
    directory: PathBuf,
    data: Json,
    ports: RunPorts,
    state: State,
    attempt: u32,
}

impl ContextBuilder {
    /// Starts with what [`context`] has.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            data: Json::null(),
            ports: RunPorts::default(),
            state: State::default(),
            attempt: 1,
        }
    }

    /// Adds a value that [`JobContext::state`] finds by its type, as if a startup hook had returned it. It replaces
    /// an earlier value of the same type.
    #[must_use]
    pub fn state<S: Send + Sync + 'static>(self, state: S) -> Self {
        self.state.replace("test", StateValue::new(state));
        self
    }

    /// Adds a port that [`JobContext::port`] finds by its name. With port number 0 in the address the
    /// job binds a free one, so that tests do not get into each other's way.
    #[must_use]
    pub fn port(mut self, declared: Port, address: SocketAddr) -> Self {
        self.ports.push(declared, address);
        self
    }

    /// Sets what [`JobContext::data`] returns. Default `null`.
    #[must_use]
    pub fn data(mut self, data: Json) -> Self {
        self.data = data;
        self
    }

    /// Sets what [`JobContext::attempt`] returns. Default 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Creates the directories and the context.
    ///
    /// # Errors
    ///
    /// When there is something in the directory, or it cannot be made.
    pub fn build(self) -> Result<JobContext, RunDirectoryError> {
        const NAME: JobName = JobName::from_static("test");
        Ok(JobContext::new(Inner {
            run_id: RunId::from_bytes(uuid::Uuid::now_v7().into_bytes()),
            job: NAME,
            directory: RunDirectory::create(&self.directory)?,
            data: self.data,
            ports: self.ports,
            attempt: self.attempt,
            cancellation: CancellationToken::new(),
            progress: watch::Sender::new(None),
            deadline: OnceLock::new(),
            state: self.state,
        }))
    }
}

/// The newest report that the job made with [`JobContext::progress`].
#[must_use]
pub fn progress(context: &JobContext) -> Option<Progress> {
    context.inner().progress.borrow().clone()
}
