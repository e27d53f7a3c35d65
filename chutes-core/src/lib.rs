//! The vocabulary of chutes: what is asked for in a run, what happens in it, and how it ends.
//!
//! The runtime, the service and its clients all use the types of this crate. A value of one of these types is
//! valid: the only ways to make one are functions that check. The rules that the macros need as well, and
//! their types, come from the crate `chutes-rules`, which this one re-exports. There is no I/O, no clock, and
//! nothing asynchronous here.
//!
//! ```
//! use chutes::contract::{Port, Ports, Protocol};
//!
//! let web = Port::new("web", 8080, Protocol::Http)?;
//! let ports = Ports::new(vec![web], true)?;
//! assert_eq!(ports.iter().map(|port| port.number().get()).collect::<Vec<_>>(), [8080, 2202]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # JSON
//!
//! Each type has one JSON form, in every place where it appears, and reading checks as much as the
//! constructors do. Each form has a JSON Schema (`schemars`). A [`JobSpec`] and a [`JobContract`]:
//!
//! ```
//! use chutes::contract::{JobContract, JobName};
//! use chutes::data::Json;
//! use chutes::spec::{JobSpec, Limits};
//!
//! let data = Json::parse(r#"{"epochs": 3}"#)?;
//! let (job, limits) = (JobName::new("train")?, Limits::default());
//! let spec = JobSpec { limits, ..JobSpec::job(job, data) };
//! let text = concat!(
//!     r#"{"job":"train","data":{"epochs":3},"limits":{"start":600,"download":3600,"#,
//!     r#""execute":null,"upload":86400,"streaming_start":5,"grace":30}}"#,
//! );
//! assert_eq!(Json::from_value(&spec)?.as_str(), text);
//!
//! let described = r#"{
//!     "name": "train", "summary": "Trains.", "timeout_seconds": 7200, "upload": true,
//!     "ports": [{"name": "ssh", "port": 2202, "proto": "tcp"}], "ssh": true,
//!     "data_schema": null, "result_schema": null,
//!     "source": {"file": "src/main.rs", "line": 7, "module": "my_jobs"}
//! }"#;
//! let contract: JobContract = Json::parse(described)?.to()?;
//! assert!(contract.ports.ssh());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(hidden)]
pub mod missing;
pub mod reader;
#[doc(hidden)]
pub mod user_text;

mod contract;
mod delivery;
mod digest;
mod endpoints;
mod event;
mod exit_code;
mod failure_kind;
mod hex;
mod job_result;
mod json;
mod limit;
mod manifest;
mod members;
mod outcome;
mod output_path;
mod phase;
mod publish;
mod relative_path;
mod reporter;
mod request;
mod run_id;
mod seconds;
mod sink;
mod size;
mod spec;
mod status;
mod urgency;
mod usage;

/// The version of chutes.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use crate::contract::{JobContract, SourceLocation};
pub use crate::delivery::{Delivery, DeliveryState, SinkReport, UploadResponse};
pub use crate::digest::{Sha256Digest, Sha256DigestError, Sha256Hasher};
pub use crate::endpoints::{Endpoints, PortAddress, SshEndpoint, StreamingEndpoint};
pub use crate::event::{Event, FileKind, LogStream, Progress, RunEvent};
pub use crate::exit_code::ExitCode;
pub use crate::failure_kind::FailureKind;
pub use crate::job_result::{JobResult, LeftOutArtifact, UploadResult};
pub use crate::json::Json;
pub use crate::json::{JsonError, SetFieldError};
pub use crate::limit::Limits;
pub use crate::manifest::{FileState, Manifest, OutputFile};
pub use crate::outcome::{Ending, Failure, Outcome};
pub use crate::output_path::{OutputPath, OutputPathError};
pub use crate::phase::{Phase, PhaseReport};
pub use crate::publish::{Publish, PublishError, PublishedPort};
pub use crate::relative_path::{RelativePath, RelativePathError};
pub use crate::reporter::EventReporter;
pub use crate::request::{
    AccessRequest, AddressRange, AddressRangeError, Attempt, AttemptError, CacheRequest,
    EngineRequest, LabelName, LabelNameError, PullPolicy, RunRequest, RunRequestError, TraceParent,
    TraceParentError, UnknownPullPolicy,
};
pub use crate::run_id::{RunId, RunIdError};
pub use crate::sink::{
    HttpUrl, SecretPairs, SinkKind, SinkSpec, SinkSpecError, StoreUrl, Upload, UploadMethod,
    ZipTarget,
};
pub use crate::size::{HumanSize, SizeError, parse_size};
pub use crate::spec::{
    ClassProfile, ContainerPath, ContainerPathError, ExecutorClass, ExecutorClassError,
    HubRepository, ImageName, ImageNameError, InlineZip, InputVolume, InputVolumes, JobSpec,
    JobSpecBuilder, MountedVolume, OutputVolumes, RepoType, Resources, SecretText, SpecErrors,
    SpecProblem, SpecRules, SshAccess, Streaming, Target, Work,
};
pub use crate::status::{EndStatus, IllegalTransition, Route, Status, StatusMachine};
pub use crate::urgency::Urgency;
pub use crate::usage::Usage;
#[doc(inline)]
pub use chutes_rules::{
    DurationError, Escaped, HumanDuration, JobName, JobNameError, Port, PortConflict, PortError,
    PortName, PortNameError, PortNumber, PortNumberError, Ports, PortsError, Protocol,
    ReadinessPath, ReadinessPathError, TimeLimit, TimeLimitError, UnknownProtocol, parse_duration,
    rule, suggest,
};
