//! Running a job of this program inside of it.
//!
//! [`Run`] is built, then executed; [`CreatedRun`] stands in between, when the directory exists and nothing is started.
//! Runs of other binaries and of images are in [`supervisor`](crate::supervisor).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes::outcome::EndStatus;
//! use chutes::prelude::*;
//! use chutes::run::{Run, RunError};
//!
//! #[job]
//! async fn stops_when_asked(ctx: JobContext) -> Result<(), JobError> {
//!     ctx.cancellation().cancelled().await;
//!     Ok(())
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let directory = folder.path().join("run");
//! let job = chutes::Registry::collect()?.get("stops_when_asked")?.clone();
//! let run = Run::new(job.clone(), &directory);
//! run.cancel_handle().cancel();
//! assert_eq!(run.execute().await?.status(), EndStatus::Cancelled);
//!
//! let again: Result<_, RunError> = Run::new(job, &directory).create();
//! assert!(again.is_err(), "there are the files of the first run");
//! # Ok(()) }
//! ```

#[doc(no_inline)]
pub use crate::Run;
#[doc(no_inline)]
pub use crate::supervisor::{CancelHandle, Observer, RunDirectory, RunDirectoryError, RunError};
#[doc(inline)]
pub use chutes_runtime::{CreatedRun, LimitTooLong, RunId, RunIdError};
