//! What is shown in a terminal: text in columns, the display of a run in progress, the report at its end.

mod columns;
mod console;
mod paint;
pub(crate) mod report;
mod wrap;

use std::borrow::Cow;
use std::time::Duration;

use chutes_core::{EndStatus, HumanDuration};

pub use self::columns::{Columns, Row};
pub(crate) use self::console::{Console, Stream};
pub(crate) use self::paint::Paint;
pub use self::wrap::write_wrapped;

/// How a run ended, in words.
pub(crate) const fn status_words(status: EndStatus) -> &'static str {
    match status {
        EndStatus::Completed => "completed",
        EndStatus::Cancelled => "cancelled",
        EndStatus::Failed => "failed",
        EndStatus::Rejected => "rejected",
        EndStatus::TimedOut => "timed out",
        EndStatus::PlatformFailed => "the platform failed",
    }
}

/// The width in columns of the terminal that standard output is, if it is one.
///
/// ```
/// use std::io::IsTerminal;
///
/// // Where a program reads the output, nothing is cut.
/// assert!(std::io::stdout().is_terminal() || chutes_console::stdout_width().is_none());
/// ```
#[must_use]
pub fn stdout_width() -> Option<u16> {
    ::console::Term::stdout().size_checked().map(|(_, width)| width)
}

/// A time limit as tables show it: `1h 30m`, or `none`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(chutes_console::limit_text(Some(Duration::from_secs(90))), "1m 30s");
/// assert_eq!(chutes_console::limit_text(None), "none");
/// ```
#[must_use]
pub fn limit_text(limit: Option<Duration>) -> Cow<'static, str> {
    match limit {
        Some(limit) => HumanDuration(limit).to_string().into(),
        None => "none".into(),
    }
}
