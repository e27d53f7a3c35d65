//! Put `#[job]` on an `async fn` and get a production job.
//!
//! Arguments are checked by the compiler, data and result are typed, every file that the job writes
//! to its output directory is collected with its checksum, time limits and cancellation are
//! enforced, and the binary describes itself.
//!
//! ```
//! use chutes::prelude::*;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Text {
//!     /// The text to count the words of.
//!     text: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Count {
//!     words: usize,
//! }
//!
//! /// Counts the words of a text.
//! #[job(timeout = "10m")]
//! async fn count_words(ctx: JobContext, data: Text) -> Result<Count, JobError> {
//!     let words: Vec<&str> = data.text.split_whitespace().collect();
//!     for (done, word) in words.iter().enumerate() {
//!         if ctx.is_cancelled() {
//!             return Err("cancelled".into());
//!         }
//!         ctx.progress(done as f64 / words.len() as f64, format!("at {word}"));
//!     }
//!     std::fs::write(ctx.output_dir().join("words.txt"), words.join("\n"))?;
//!     Ok(Count { words: words.len() })
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     # if std::env::args().len() < 2 { return chutes::ExitCode::COMPLETED.into(); }
//!     chutes::main()
//! }
//! ```
//!
//! ```text
//! cargo run --bin my-jobs -- run count_words --text "to be or not to be"
//! ```
//!
//! - [`job`] documents every argument of the attribute.
//! - [`JobContext`] is the first argument of a job: directories, ports, state, cancellation, progress.
//! - [`on_startup`] and [`on_shutdown`] run code before and after the job.
//! - [`main`] is the command line, with its exit codes.
//! - [`Run`] runs a job inside of another program.
//! - [`testing`] makes a context for unit tests, and with the feature `testing` runs whole jobs in a test,
//!   on a virtual clock.
//!
//! # Modules
//!
//! What nearly every program needs is here; everything else is in a module.
//!
//! | module | what it has |
//! |---|---|
//! | [`prelude`] | the three attributes, [`JobContext`] and [`JobError`] |
//! | [`context`], [`data`] | what the function of a job takes and returns, and its errors |
//! | [`registry`], [`contract`] | the jobs of this program, and what each declares: name, ports, time limit |
//! | [`run`], [`testing`] | runs of a job inside of another program, and in its tests |
//! | [`spec`], [`request`] | what is asked for in a run, and what its starter adds |
//! | [`event`] | what happens in a run while it goes on |
//! | [`outcome`], [`manifest`] | how a run ended, and its files |
//! | [`sink`] | where files are delivered to, and what became of each delivery |
//! | [`supervisor`] | runs of other binaries and of container images |
//! | [`text`] | durations, sizes and suggestions, as they are read and written |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `command-line` (default) | [`main`], the command line of a job binary |
//! | `http` | sinks over HTTP, and input volumes |
//! | `object-store` | delivery to S3, Google Cloud Storage and Azure |
//! | `container` | runs of container images with Docker or Podman |
//! | `ssh` | SSH into runs of jobs with `ssh = true` |
//! | `streaming` | a TLS front for jobs that serve requests |
//! | `testing` | `testing::TestRun`: whole runs in a test |
//!
//! Delivery to directories and zip files needs no feature.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc = include_str!("job-attribute.md")]
///
/// # Example
///
/// ```
/// use chutes::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct TrainData {
///     epochs: u32,
/// }
///
/// /// Trains the model.
/// #[job(timeout = "2h", ports = [http("web", 8080)], ssh = true)]
/// async fn train_model(ctx: JobContext, data: TrainData) -> Result<f64, JobError> {
///     for epoch in 0..data.epochs {
///         ctx.progress(f64::from(epoch) / f64::from(data.epochs), format!("epoch {epoch}"));
///     }
///     Ok(0.5)
/// }
///
/// let contract = chutes::Registry::collect()?.get("train_model")?.contract();
/// assert_eq!(contract.timeout.map(|limit| limit.seconds()), Some(7_200));
/// assert_eq!(contract.ports.iter().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use chutes_macros::job;

/// Runs an `async fn` before the job of every run.
///
/// ```
/// use chutes::prelude::*;
///
/// struct Device {
///     name: String,
/// }
///
/// #[on_startup(priority = 10)]
/// async fn choose_device() -> Result<Device, JobError> {
///     Ok(Device { name: "cpu".into() })
/// }
///
/// #[job]
/// async fn train(ctx: JobContext) -> Result<(), JobError> {
///     let device = ctx.state::<Device>()?;
///     println!("training on {}", device.name);
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// - Shape: `async fn name(ctx: JobContext) -> Result<S, E>`; the parameter may be left out. The
///   value becomes state of the run, found by its type with
///   [`JobContext::state`](crate::JobContext::state). `()` is no state. Two hooks that provide one
///   type fail the run.
/// - `priority` is a whole number, default 50. Hooks run one after the other from the lowest to the
///   highest, those of equal priority in the order of their files and lines.
/// - All hooks together have the start limit (default 10 minutes). A hook that fails or panics ends
///   the run as `failed` before the job starts; shutdown hooks still run.
/// - `crate = ::path` names the crate `chutes` when it has another name.
pub use chutes_macros::on_startup;

/// Runs an `async fn` after the job of every run, however the job ended.
///
/// ```
/// use chutes::prelude::*;
///
/// #[on_shutdown]
/// async fn say_goodbye(ctx: JobContext) -> Result<(), JobError> {
///     std::fs::write(ctx.output_dir().join("goodbye.txt"), "bye")?;
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// - Shape: `async fn name(ctx: JobContext) -> Result<(), E>`; the parameter may be left out.
/// - `priority` is a whole number, default 50. Hooks run in the reverse order of startup hooks: from
///   the highest priority to the lowest.
/// - Hooks run before the outputs are collected, so what they write is collected, too. They run on
///   every path on which the start of the run began, also when a startup hook failed; state may then
///   be missing. Each has the grace of the run (default 30 seconds), and at least 5 seconds.
/// - A hook that fails, panics or takes too long is a warning in the outcome; it does not change how
///   the run ends.
pub use chutes_macros::on_shutdown;

pub mod context;
pub mod contract;
pub mod data;
pub mod event;
pub mod manifest;
pub mod outcome;
pub mod registry;
pub mod request;
pub mod run;
pub mod sink;
pub mod spec;
pub mod text;

#[doc(hidden)]
pub use chutes_runtime::__private;
#[doc(inline)]
pub use chutes_runtime::{
    EndStatus, ExitCode, JobContext, JobError, Outcome, Registry, Run, VERSION, supervisor, testing,
};
#[cfg(feature = "command-line")]
#[doc(inline)]
pub use chutes_runtime::{is_worker, main};

/// The examples of `testing.md` are tested.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("testing.md")]
mod testing_page {}

/// What nearly every file that has jobs needs: the three attributes, [`JobContext`] and [`JobError`].
///
/// ```
/// use chutes::prelude::*;
///
/// #[job]
/// async fn say_hello(_ctx: JobContext, name: String) -> Result<String, JobError> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// assert_eq!(chutes::Registry::collect()?.get("say_hello")?.name().as_str(), "say_hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod prelude {
    pub use crate::{JobContext, JobError, job, on_shutdown, on_startup};
}
