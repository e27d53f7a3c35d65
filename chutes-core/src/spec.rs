//! Everything that was asked for in one run.

use crate::{JobName, Json, Limits};

/// Everything that was asked for in one run: what to run, on which data, within which limits.
///
/// It is the first record of the journal, `run.json`. The documentation of the crate shows its JSON
/// form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobSpec {
    /// The job.
    pub job: JobName,
    /// Its data, as it came: with what belongs to the platform, and unchecked.
    pub data: Json,
    /// The limits of this run.
    pub limits: Limits,
    /// The memory that the job may use with everything that it starts, in bytes; `None` is no limit.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub memory_bytes: Option<u64>,
}
