//! The number of an attempt.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of an attempt at a run, from 1. In JSON a number.
///
/// ```
/// use chutes::request::Attempt;
///
/// assert_eq!(Attempt::FIRST.get(), 1);
/// assert!(Attempt::new(2)? > Attempt::FIRST);
/// assert_eq!(Attempt::new(0).unwrap_err().to_string(), "attempts are counted from 1");
/// # Ok::<(), chutes::request::AttemptError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first one.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The attempt of this number.
    pub fn new(number: u32) -> Result<Self, AttemptError> {
        NonZeroU32::new(number).map(Self).ok_or(AttemptError)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number 0, which no [`Attempt`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attempts are counted from 1")]
pub struct AttemptError;
