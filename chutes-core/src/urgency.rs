//! How urgently a run is asked to stop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How urgently a run is asked to stop.
///
/// ```
/// use chutes::event::Urgency;
///
/// assert!(Urgency::Now > Urgency::Graceful);
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Not at all.
    #[default]
    None,
    /// The context of the job is cancelled, and the job has its grace.
    Graceful,
    /// Now: no grace, no shutdown hooks. Outputs are still collected.
    Now,
    /// Collecting is given up, too.
    GiveUp,
}
