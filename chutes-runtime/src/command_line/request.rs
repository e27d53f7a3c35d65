//! Run requests on the command line: where they are read from.

use std::fs::File;
use std::io;

use chutes_core::RunRequest;
use chutes_supervisor::logs::LogCap;

use super::input::bounded;
use super::problem::Problem;

/// The longest request that is read, in MiB.
const MAX_MIB: u64 = (RunRequest::MAX_BYTES / (1024 * 1024)) as u64;

/// What is read, in messages.
const WHAT: &str = "the run request";

/// Reads a request from a file, from a descriptor (`fd:N`), or from standard input (`-`).
pub(super) fn read(from: &str) -> Result<RunRequest, Problem> {
    let text = match (from, from.strip_prefix("fd:")) {
        ("-", _) => bounded(io::stdin().lock(), WHAT, "standard input", MAX_MIB)?,
        (_, Some(number)) if number.parse::<u16>().is_ok() => {
            open(&format!("/dev/fd/{number}"), from)?
        }
        _ => open(from, from)?,
    };
    RunRequest::from_json(&text).map_err(|error| Problem::bad_request(&error))
}

fn open(path: &str, name: &str) -> Result<String, Problem> {
    let file = File::open(path)
        .map_err(|error| Problem::wrong(format!("cannot read {WHAT} from `{name}`: {error}")))?;
    bounded(file, WHAT, &format!("`{name}`"), MAX_MIB)
}

/// How much is kept of each stream that user code prints to.
pub(super) fn log_cap(request: &RunRequest) -> Result<LogCap, Problem> {
    match request.log_limit {
        None => Ok(LogCap::default()),
        Some(bytes) => LogCap::new(bytes).map_err(|error| Problem::bad_request(&error)),
    }
}
