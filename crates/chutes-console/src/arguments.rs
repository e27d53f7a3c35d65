//! Arguments that commands share, with the parsers of their values.

mod access;
mod recover;
mod report;
mod request;
mod volumes;

use chutes_core::{HumanSize, parse_size};
use chutes_supervisor::logs::LogCap;

pub use self::access::AccessArguments;
pub use self::recover::RecoverArguments;
pub use self::report::ReportArguments;
pub use self::request::RequestArgument;
pub use self::volumes::VolumeArguments;

/// The exit codes of a command that runs something, for the end of its help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    completed
  1    the job failed
  2    wrong command line or data; nothing was started
  3    the job finished, but not all of its outputs were collected and delivered
  4    the platform failed, not the job
  124  a time limit was reached
  130  cancelled";

/// Parses a size in bytes, as in `8GB` or `512MiB`: at least 1 byte.
///
/// ```
/// assert_eq!(chutes_console::size("2KiB"), Ok(2_048));
/// assert!(chutes_console::size("0").is_err());
/// ```
///
/// # Errors
///
/// With a message for the user.
pub fn size(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Ok(0) => Err("at least 1 byte is needed".to_owned()),
        size => size.map_err(|error| error.to_string()),
    }
}

/// Parses how much memory a job may use, as in `8GB` or `512MiB`: at least 64 KiB. Less is a size without its unit.
///
/// ```
/// assert_eq!(chutes_console::memory_size("8GB"), Ok(8_000_000_000));
/// let error = chutes_console::memory_size("8").unwrap_err();
/// assert_eq!(error, "8 B are less than any program needs: write a unit, for instance `8GB`");
/// ```
///
/// # Errors
///
/// With a message for the user.
pub fn memory_size(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 64 * 1024;

    let bytes = size(text)?;
    if bytes >= LEAST {
        return Ok(bytes);
    }
    let digits = text.trim_end_matches(|last: char| !last.is_ascii_digit());
    Err(format!(
        "{} are less than any program needs: write a unit, for instance `{digits}GB`",
        HumanSize(bytes)
    ))
}

/// Parses how much is kept of a stream that a job prints to, as in `256MiB`: at least 1,024 bytes.
///
/// ```
/// assert_eq!(chutes_console::log_cap("1MiB").unwrap().bytes(), 1_048_576);
/// assert!(chutes_console::log_cap("1000").is_err());
/// ```
///
/// # Errors
///
/// With a message for the user.
pub fn log_cap(text: &str) -> Result<LogCap, String> {
    LogCap::new(size(text)?).map_err(|error| error.to_string())
}
