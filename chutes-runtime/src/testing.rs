//! For unit tests of jobs: a job is an ordinary function, and this makes its context.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes_runtime::{JobContext, JobError, testing};
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

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::OnceLock;

use chutes_core::{JobName, Json, Ports, RunId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::{Inner, JobContext};
use crate::run::{RunDirectory, RunDirectoryError};
use crate::state::State;

/// A context with its directories below `directory`, which must be empty. Nobody cancels it but the
/// test: `context.cancellation().cancel()`. The job is named `test`; there are no data, no ports, no
/// state and no deadline, and the attempt is the first.
///
/// ```
/// use chutes_runtime::{JobContext, JobError};
///
/// async fn greet(ctx: JobContext, name: String) -> Result<usize, JobError> {
///     std::fs::write(ctx.output_dir().join("greeting.txt"), format!("Hello, {name}!"))?;
///     Ok(name.len())
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let directory = tempfile::tempdir()?;
/// let ctx = chutes_runtime::testing::context(directory.path())?;
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
    const NAME: JobName = JobName::from_static("test");
    Ok(JobContext::new(Inner {
        run_id: RunId::from_bytes(uuid::Uuid::now_v7().into_bytes()),
        job: NAME,
        directory: RunDirectory::create(directory)?,
        data: Json::null(),
        ports: Ports::default(),
        host: Ipv4Addr::LOCALHOST.into(),
        attempt: 1,
        cancellation: CancellationToken::new(),
        progress: watch::Sender::new(None),
        deadline: OnceLock::new(),
        state: State::default(),
    }))
}
