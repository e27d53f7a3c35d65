//! Exit codes of a job binary.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Ending, FailureKind};

/// An exit code of a job binary. The list is part of the interface: a code keeps its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ExitCode(u8);

impl ExitCode {
    /// 0: the run completed, or the command did what it should.
    pub const COMPLETED: Self = Self(0);
    /// 1: the job failed: an error, a panic, or its death.
    pub const FAILED: Self = Self(1);
    /// 2: the command line or the data is wrong; nothing was started.
    pub const BAD_REQUEST: Self = Self(2);
    /// 3: the job finished, but not all of its outputs were collected and delivered.
    pub const OUTPUTS_INCOMPLETE: Self = Self(3);
    /// 4: the platform failed, not the job.
    pub const PLATFORM_FAULT: Self = Self(4);
    /// 124: a time limit was reached (as with `timeout(1)`).
    pub const TIMED_OUT: Self = Self(124);
    /// 130: the run was cancelled (as after Ctrl-C in a shell).
    pub const CANCELLED: Self = Self(130);

    /// All codes.
    const ALL: [Self; 7] = [
        Self::COMPLETED,
        Self::FAILED,
        Self::BAD_REQUEST,
        Self::OUTPUTS_INCOMPLETE,
        Self::PLATFORM_FAULT,
        Self::TIMED_OUT,
        Self::CANCELLED,
    ];

    /// The exit code with which a process has ended, if it is one of these.
    ///
    /// ```
    /// use chutes::ExitCode;
    ///
    /// assert_eq!(ExitCode::from_code(130), Some(ExitCode::CANCELLED));
    /// assert_eq!(ExitCode::from_code(101), None);
    /// ```
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| i32::from(known.0) == code)
    }

    /// The code itself.
    ///
    /// ```
    /// use chutes::ExitCode;
    /// use chutes::outcome::{Ending, Failure, FailureKind};
    ///
    /// assert_eq!(ExitCode::TIMED_OUT.get(), 124);
    /// let refused = Failure::new(FailureKind::InvalidData, "the job takes no data");
    /// assert_eq!(ExitCode::from(&Ending::Rejected(refused)), ExitCode::BAD_REQUEST);
    /// ```
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// This decides which ending has which code.
impl From<&Ending> for ExitCode {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Completed => Self::COMPLETED,
            Ending::Rejected(_) => Self::BAD_REQUEST,
            Ending::Failed(failure) => match failure.kind {
                FailureKind::OutputsIncomplete | FailureKind::UploadFailed => {
                    Self::OUTPUTS_INCOMPLETE
                }
                _ => Self::FAILED,
            },
            Ending::TimedOut(_) => Self::TIMED_OUT,
            Ending::Cancelled(_) => Self::CANCELLED,
            Ending::PlatformFailed(_) => Self::PLATFORM_FAULT,
        }
    }
}

/// For the end of `main`.
///
/// ```
/// fn main() -> std::process::ExitCode {
///     let done = true;
///     if done { chutes::ExitCode::COMPLETED } else { chutes::ExitCode::FAILED }.into()
/// }
/// ```
impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.0)
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
