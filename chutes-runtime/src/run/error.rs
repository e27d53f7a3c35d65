//! Why a run cannot begin.

use std::io;

use chutes_core::SpecErrors;
use chutes_transfer::TransferError;

use super::RunDirectoryError;

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
    /// Its spec asks for what there is not, such as an unknown class of machine.
    #[error(transparent)]
    Spec(#[from] SpecErrors),
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// Its journal cannot be written.
    #[error("cannot write the journal of the run")]
    Journal(#[source] io::Error),
    /// Its outputs cannot be delivered where it was asked for.
    #[error("cannot deliver to {0}")]
    Sink(
        /// Where to, without credentials, and why not.
        String,
    ),
}

impl From<TransferError> for RunError {
    fn from(error: TransferError) -> Self {
        Self::Sink(error.to_string())
    }
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
