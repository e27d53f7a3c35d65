//! One attempt of a run, from what was asked for to its one outcome.
//!
//! This is an internal component of chutes, without a promise of stability. It does not know how a job is
//! written, nor a command line: both use it.
//!
//! A [`Supervisor`] is put together and makes the directory of the run and its journal. [`CreatedRun`] then
//! takes the attempt through its phases: a [`worker::Worker`] carries out the steps of user code, each under a
//! limit, a grace and a cancel; outputs are collected and delivered on every path; the outcome is written
//! last. [`recover`] does the rest for an attempt whose supervisor is gone.
//!
//! | worker | where user code runs | started by |
//! |---|---|---|
//! | process | a job binary that is started once more | [`worker::ProcessStarter`] |
//! | container | an image, by Docker or Podman (feature `container`) | `worker::ContainerStarter` |
//! | any other | where its author says | its own [`worker::StartWorker`] |
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes_core::{JobContract, JobName, JobSpec, Json};
//! use chutes_supervisor::Supervisor;
//! use chutes_supervisor::worker::{OutputSettings, ProcessStarter, Program};
//!
//! // What `my-jobs describe train --json` prints.
//! let contract: JobContract = Json::parse(&std::fs::read_to_string("contract.json")?)?.to()?;
//! let spec = JobSpec::job(JobName::new("train")?, Json::parse(r#"{"epochs": 3}"#)?);
//! let run = Supervisor::new(Supervisor::new_id(), spec, "runs/first").contract(contract).create()?;
//! let worker = ProcessStarter {
//!     program: Program::At("target/release/my-jobs".into()),
//!     output: OutputSettings::hidden(),
//! };
//! let outcome = run.supervise(worker).await;
//! println!("{}", outcome.status());
//! # Ok(()) }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod logs;
pub mod output;
pub mod recover;
pub mod returned;
pub mod worker;

mod access;
mod cancel;
mod complete;
mod deliver;
mod directory;
mod download;
mod ending;
mod error;
#[cfg_attr(not(feature = "fault-injection"), path = "fault/absent.rs")]
pub mod fault;
mod hooks;
mod journal;
mod json_size;
mod lifecycle;
mod live;
mod observer;
mod supervise;
mod supervised;
mod supervisor;
#[cfg(test)]
mod testing;
mod user_code;

pub use self::access::{AccessSettings, check_keys, serve_files};
pub use self::cancel::{CancelHandle, Urgency};
pub use self::directory::{RunDirectory, RunDirectoryError};
pub use self::download::{VolumeSettings, volume_settings};
pub use self::error::RunError;
pub use self::json_size::{MAX_BYTES, TooLarge, check_size};
pub use self::observer::Observer;
pub use self::supervised::{ExtensionTooLong, Follower, LostSupervisor, Supervised};
pub use self::supervisor::{CreatedRun, Supervisor};
