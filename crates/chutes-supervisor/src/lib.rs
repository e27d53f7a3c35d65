//! One attempt of a run, from what was asked for to its one outcome.
//!
//! This is an internal component of chutes, without a promise of stability. It does not know how a job is
//! written, nor a command line: both use it.
//!
//! A [`Supervisor`] is put together and makes the directory of the run and its journal. [`CreatedRun`] then
//! takes the attempt through its phases: a [`worker::Worker`] carries out the steps of user code, each under a
//! limit, a grace and a cancel; outputs are collected and delivered on every path; the outcome is written
//! last. [`recover`] does the rest for an attempt whose supervisor is gone. [`inspect`] reads the directory of a
//! run, whether its supervisor lives or not, and changes nothing.
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
//! use std::path::Path;
//! use chutes::contract::JobName;
//! use chutes::data::Json;
//! use chutes::request::RunRequest;
//! use chutes::spec::JobSpec;
//! use chutes::supervisor::worker::{OutputSettings, ProcessStarter, Program};
//! use chutes::supervisor::{Supervisor, describe};
//!
//! let (program, job) = (Path::new("target/release/my-jobs"), JobName::new("train")?);
//! let contract = describe(program, &job)?;
//! let spec = JobSpec::job(job, Json::parse(r#"{"epochs": 3}"#)?);
//! let request = RunRequest::new(Supervisor::new_id(), spec, "runs/first");
//! let run = Supervisor::new(request).contract(contract).create()?;
//! let worker = ProcessStarter {
//!     program: Program::At(program.to_owned()),
//!     output: OutputSettings::hidden(),
//! };
//! let supervised = run.start(worker)?;
//! let mut follower = supervised.follow();
//! while let Some(event) = follower.next().await {
//!     println!("{event:?}");
//! }
//! let outcome = supervised.outcome().await?;
//! println!("{}", outcome.status());
//! # Ok(()) }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod inspect;
pub mod logs;
pub mod output;
pub mod recover;
pub mod returned;
pub mod sink;
pub mod worker;

mod access;
mod attempt;
mod background;
mod cancel;
mod complete;
pub mod control;
mod deliver;
mod describe;
mod directory;
mod download;
mod ending;
mod error;
mod extension;
#[cfg_attr(not(feature = "fault-injection"), path = "fault/absent.rs")]
pub mod fault;
mod hooks;
mod json_size;
mod lifecycle;
mod live;
mod made_folders;
mod observer;
mod run_log;
mod spec_rules;
mod supervise;
mod supervised;
mod supervisor;
#[cfg(test)]
mod testing;
mod user_code;

pub use self::access::{check_keys, is_file_server, public_host, serve_files, ssh_missing};
pub use self::cancel::{CancelHandle, Urgency};
pub use self::describe::{DescribeError, DescribeFailure, describe};
pub use self::directory::{RunDirectory, RunDirectoryError};
pub use self::error::RunError;
pub use self::extension::ExtensionTooLong;
pub use self::json_size::{MAX_BYTES, TooLarge, check_size};
pub use self::observer::Observer;
pub use self::run_log::{Follower, RunReport};
pub use self::spec_rules::{rules_with_contents, spec_rules};
pub use self::supervised::{LostSupervisor, Supervised, runtime};
pub use self::supervisor::{CreatedRun, Supervisor};
pub use chutes_process::{
    IgnoredSignals, REAL_TIME_SIGNALS, SupervisorCgroup, keep_descriptors, restart_command,
    take_program_name,
};
