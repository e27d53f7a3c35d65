//! How a run ended: its status, its failure, the times of its phases, and where it could be reached.
//!
//! [`Outcome`] is the one final record of an attempt, and the last one in its journal. The files of the run are in
//! [`manifest`](crate::manifest), their deliveries in [`sink`](crate::sink).
//!
//! ```
//! use chutes::ExitCode;
//! use chutes::outcome::{Ending, Failure, FailureKind};
//!
//! let failure = Failure::new(FailureKind::OutOfMemory, "the job used more than 2.0 GiB");
//! let ending = Ending::Failed(failure);
//! assert_eq!(ending.status().to_string(), "failed");
//! assert_eq!(ExitCode::from(&ending), ExitCode::FAILED);
//! ```

#[doc(no_inline)]
pub use crate::{EndStatus, ExitCode, Outcome};
#[doc(inline)]
pub use chutes_runtime::{
    Ending, Endpoints, Failure, FailureKind, JobResult, LeftOutArtifact, Phase, PhaseReport,
    PortAddress, SshEndpoint, StreamingEndpoint, UploadResult, Usage,
};
