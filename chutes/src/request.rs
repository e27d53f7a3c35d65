//! One attempt at a run, as its starter hands it over to a supervisor.
//!
//! A [`RunRequest`] is a [`JobSpec`](crate::spec::JobSpec) with what only the starter knows: the id, the directory,
//! the number of the attempt, sinks, addresses, labels. `my-jobs run --request` and
//! [`supervisor`](crate::supervisor) take it.
//!
//! ```
//! use chutes::request::{Attempt, RunRequest};
//! use chutes::run::RunId;
//! use chutes::spec::{ImageName, JobSpec};
//!
//! let spec = JobSpec::builder(ImageName::new("alpine")?).build()?;
//! let id: RunId = "0198c5a2-7b1e-7d4f-9a3c-2e8f6b1d0c45".parse()?;
//! let request = RunRequest { attempt: Attempt::new(2)?, ..RunRequest::new(id, spec, "runs/2") };
//! assert_eq!(RunRequest::from_json(&request.to_json()?)?, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    AccessRequest, AddressRange, AddressRangeError, Attempt, AttemptError, CacheRequest,
    EngineRequest, LabelName, LabelNameError, PullPolicy, RunRequest, RunRequestError, TraceParent,
    TraceParentError, UnknownPullPolicy,
};
