//! The steps of user code, and how they end.

use std::time::Duration;

use chutes_core::{FailureKind, Json, user_text};
use serde::{Deserialize, Serialize};

/// One piece of user code. Hooks are identified by their index in the order of execution, which is the same in every
/// process of one binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Decodes the data, which runs code of the job's types.
    Decode,
    /// Fetches the image, if the run has one.
    Prepare,
    /// A startup hook.
    Startup(usize),
    /// The job itself.
    Job {
        /// The time until the job is asked to stop; `None` without a limit.
        time_left: Option<Duration>,
    },
    /// A shutdown hook.
    Shutdown(usize),
}

impl Step {
    /// The name in messages, for instance "the job" or "startup hook `open_device`". `hooks` are the hooks that the
    /// worker has reported.
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

/// The names of the hooks of a worker, in the order of execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// The hooks that run before the job.
    pub startup: Vec<String>,
    /// The hooks that run after the job.
    pub shutdown: Vec<String>,
}

impl Hooks {
    /// Whether there are no hooks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.startup.is_empty() && self.shutdown.is_empty()
    }
}

/// What a step returned: the result of the job, `null` for all other steps.
pub type StepResult = Result<Json, StepFailure>;

/// Why a step returned nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// The kind of the failure.
    pub kind: FailureKind,
    /// What went wrong, as a lowercase fragment.
    pub message: String,
    /// The messages of the sources, the nearest first.
    pub causes: Vec<String>,
    /// Where user code panicked, as `file:line:column`.
    pub location: Option<String>,
}

impl StepFailure {
    /// A failure without causes and location.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), location: None }
    }

    /// The same failure with texts of bounded length and number, all together less than 512 KiB. Texts that are cut
    /// say so.
    #[must_use]
    pub fn bounded(self) -> Self {
        let location = self.location.map(|location| user_text::cut(location, user_text::MAX_CAUSE));
        Self {
            message: user_text::cut(self.message, user_text::MAX_MESSAGE),
            causes: user_text::bounded_causes(self.causes),
            location,
            ..self
        }
    }
}
