//! Deliveries of files to the sinks of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The delivery of one file to one sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The sink, as it is shown: without credentials and query.
    pub sink: String,
    /// The state of the delivery.
    #[serde(flatten)]
    pub state: DeliveryState,
}

/// Whether a file has reached a sink.
///
/// ```
/// use chutes::sink::DeliveryState;
///
/// let failed = DeliveryState::Failed { reason: "403 Forbidden".into() };
/// assert!(failed.is_failed());
/// assert_eq!(failed.as_str(), "failed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// The sink has confirmed that it has the whole file.
    Delivered,
    /// The sink should have it and does not, or has not confirmed it.
    Failed {
        /// Why, as a lowercase fragment without credentials.
        reason: String,
    },
    /// The sink is not meant to have it.
    Skipped {
        /// Why, as a lowercase fragment.
        reason: String,
    },
}

impl DeliveryState {
    /// The name in JSON and in tables.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Whether the file should be at the sink and is not.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// The deliveries of all files of a run to one sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SinkReport {
    /// The sink, as it is shown: without credentials and query.
    pub sink: String,
    /// How many files it has.
    pub delivered: u64,
    /// How many it should have and does not.
    pub failed: u64,
    /// How many it is not meant to have.
    pub skipped: u64,
    /// The size of the files that it has, in bytes.
    pub bytes: u64,
    /// What went wrong with the sink as a whole, for instance that it did not take the last message.
    pub error: Option<String>,
    /// Whether the spec declares it as an output volume, so that a run without it has failed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub declared: bool,
    /// What the server answered, for sinks that get an answer for each file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<UploadResponse>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What a server answered when it had taken a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadResponse {
    /// The file: its path below `/output`, or `system_output`.
    pub file: String,
    /// The status: 2xx, or 303 where a form asks for a redirect when it is done.
    pub status: u16,
    /// The headers, with names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body as text, as far as it is kept: [`UploadResponse::KEPT`] bytes of it.
    pub body: String,
}

impl UploadResponse {
    /// How much of a body is kept, in bytes; of the headers, too.
    pub const KEPT: usize = 64 * 1024;

    /// The name of the system output, which is no file below `/output`.
    pub const SYSTEM_OUTPUT: &str = "system_output";
}

impl SinkReport {
    /// Whether the sink has everything that it should have, and has confirmed it.
    ///
    /// ```
    /// use chutes::sink::SinkReport;
    ///
    /// let report = SinkReport {
    ///     sink: "/backup".into(), delivered: 3, failed: 0, skipped: 1, bytes: 4_096, error: None,
    ///     declared: false, responses: Vec::new(),
    /// };
    /// assert!(report.is_complete());
    /// assert!(!SinkReport { error: Some("500".into()), ..report }.is_complete());
    /// ```
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.failed == 0 && self.error.is_none()
    }
}
