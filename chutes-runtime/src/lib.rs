//! The runtime of chutes: it registers jobs, runs them, and serves the command line of job binaries.
//!
//! Most programs depend on the crate `chutes`, which shows everything here in modules. The modules in
//! reading order: a job is *defined* (`definition`, `entry`, `schema`), *registered* (`registry`),
//! *run* ([`Run`], in `run`) with a *context* ([`JobContext`]), its *outputs* are collected, and the
//! *command line* drives all of it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes::{EndStatus, JobContext, JobError, Registry, Run};
//!
//! #[chutes::job]
//! async fn greets(ctx: JobContext) -> Result<(), JobError> {
//!     Ok(std::fs::write(ctx.output_dir().join("greeting.txt"), "hello")?)
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let directory = folder.path().join("run");
//! let job = Registry::collect()?.get("greets")?.clone();
//! let outcome = Run::new(job, directory).execute().await?;
//! assert_eq!(outcome.status(), EndStatus::Completed);
//! assert_eq!(outcome.outputs[0].path, "greeting.txt");
//! # Ok(()) }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

// The expansion of `#[job]` refers to this crate by name, also in its own tests.
#[cfg(test)]
extern crate self as chutes_runtime;

mod backtrace;
mod context;
mod data;
mod data_schema;
mod definition;
mod entry;
mod error;
mod field_path;
mod port;
mod registry;
mod result;
mod run;
mod schema;
mod state;
pub mod testing;

#[cfg(feature = "command-line")]
mod command_line;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use chutes_core::*;
#[doc(inline)]
pub use chutes_macros::{
    job_of_runtime as job, on_shutdown_of_runtime as on_shutdown,
    on_startup_of_runtime as on_startup,
};
/// Supervising attempts from a program of one's own: jobs of other binaries and container images.
pub use chutes_supervisor as supervisor;
#[doc(inline)]
pub use chutes_supervisor::{CancelHandle, Observer, RunDirectory, RunDirectoryError, RunError};

#[cfg(feature = "command-line")]
pub use crate::command_line::{is_worker, main};
pub use crate::context::JobContext;
pub use crate::data::DataError;
pub use crate::entry::{JobData, JobFailure, JobResultValue, JobReturn};
pub use crate::error::JobError;
pub use crate::port::{RunPort, UnknownPort};
pub use crate::registry::{InvalidJobReason, Job, Registry, RegistryError, UnknownJob};
pub use crate::result::ResultError;
pub use crate::run::{CreatedRun, LimitTooLong, Run};
pub use crate::state::MissingState;
