//! The steps of user code, and how they end.

use std::time::Duration;

use chutes_core::{FailureKind, Json};
use serde::{Deserialize, Serialize};

/// One piece of user code. Hooks are named by their place in the order in which they run, which is
/// the same in every process of one binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Decoding the data runs code of the job's types.
    Decode,
    /// What the job needs is fetched: the image, where it has one.
    Prepare,
    /// A startup hook.
    Startup(usize),
    /// The job itself.
    Job {
        /// The time until it is asked to stop; `None` without a limit.
        time_left: Option<Duration>,
    },
    /// A shutdown hook.
    Shutdown(usize),
}

impl Step {
    /// The name in messages, for instance "the job" or "startup hook `open_device`". `hooks` are those that
    /// the worker has reported.
    #[must_use]
    pub fn name(self, hooks: &Hooks) -> String {
        let hook = |kind: &str, name: Option<&String>| {
            format!("{kind} hook `{}`", name.map_or("?", String::as_str))
        };
        match self {
            Self::Decode => "the decoding of the data".to_owned(),
            Self::Prepare => "the pull of the image".to_owned(),
            Self::Startup(at) => hook("startup", hooks.startup.get(at)),
            Self::Job { .. } => "the job".to_owned(),
            Self::Shutdown(at) => hook("shutdown", hooks.shutdown.get(at)),
        }
    }
}

/// The names of the hooks that a worker has, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Those that run before the job.
    pub startup: Vec<String>,
    /// Those that run after it.
    pub shutdown: Vec<String>,
}

impl Hooks {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.startup.is_empty() && self.shutdown.is_empty()
    }
}

/// What a step returned: the result of the job, `null` for all others.
pub type StepResult = Result<Json, StepFailure>;

/// Why a step returned nothing, in the words of user code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What went wrong, as a lowercase fragment.
    pub message: String,
    /// What caused it, the nearest first.
    pub causes: Vec<String>,
    /// Where it panicked, as `file:line:column`.
    pub location: Option<String>,
}

impl StepFailure {
    /// A failure without causes and place.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), location: None }
    }
}
