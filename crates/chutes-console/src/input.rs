//! Text from outside: read up to a bound, from a file or from standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chutes_compute_horde::{CLASSES, read_spec as parse_spec};
use chutes_core::{JobSpec, RunRequest, SpecRules};
use chutes_supervisor::{rules_with_contents, spec_rules};

use crate::problem::Problem;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The longest spec that is read, in MiB: inline volumes are part of it.
const MAX_SPEC_MIB: u64 = 256;

/// The longest run request that is read, in MiB.
const MAX_REQUEST_MIB: u64 = (RunRequest::MAX_BYTES / (1024 * 1024)) as u64;

/// Reads text of at most `most_mib` MiB. `what` and `name` are for messages: the kind of the text, as in "the
/// data", and its source.
///
/// ```
/// use chutes_console::read_bounded;
///
/// let text = read_bounded(&b"{}"[..], "the data", "standard input", 1);
/// assert_eq!(text.unwrap(), "{}");
/// ```
///
/// # Errors
///
/// With exit code 2, when the source cannot be read, holds more than that, or is not UTF-8. A byte order mark at its
/// beginning is left out.
pub fn read_bounded(
    source: impl Read,
    what: &str,
    name: &str,
    most_mib: u64,
) -> Result<String, Problem> {
    let most = most_mib * 1024 * 1024;
    let mut text = String::new();
    source
        .take(most + 1)
        .read_to_string(&mut text)
        .map_err(|error| Problem::wrong(format!("cannot read {what} from {name}: {error}")))?;
    if text.len() as u64 > most {
        return Err(Problem::wrong(format!("{what} in {name} is larger than {most_mib} MiB")));
    }
    // Some editors put it before everything else. It is not part of the text.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok(text)
}

/// Reads a spec of at most 256 MiB from a file, or from standard input (`-`), in our own form or in that of the
/// ComputeHorde API. Its class of machine has to be one of [`CLASSES`], and its keys and certificates those that this
/// program accepts.
///
/// # Errors
///
/// With exit code 2, when the file cannot be read, and with everything that is wrong with the spec.
pub fn read_spec(from: &str) -> Result<JobSpec, Problem> {
    read_spec_by(from, spec_rules(&CLASSES))
}

/// The same, with the contents of its inline volumes, which otherwise end the run when they cannot be unpacked.
///
/// # Errors
///
/// As [`read_spec`].
pub fn check_spec(from: &str) -> Result<JobSpec, Problem> {
    read_spec_by(from, rules_with_contents(&CLASSES))
}

fn read_spec_by(from: &str, rules: SpecRules<'_>) -> Result<JobSpec, Problem> {
    let name = if from == "-" { "standard input".to_owned() } else { format!("`{from}`") };
    let text = match from {
        "-" => read_bounded(io::stdin().lock(), "the spec", &name, MAX_SPEC_MIB)?,
        _ => read_file(from, "the spec", &name, MAX_SPEC_MIB)?,
    };
    parse_spec(&text, rules).map_err(|errors| {
        let problems = errors.problems.iter().map(ToString::to_string).collect();
        Problem::several(format!("the spec in {name} is not in order"), problems)
    })
}

/// Reads a run request from a file, from a descriptor (`fd:N`), or from standard input (`-`).
pub(crate) fn read_request(from: &str) -> Result<RunRequest, Problem> {
    const WHAT: &str = "the run request";
    let name = format!("`{from}`");
    let text = match from {
        "-" => read_bounded(io::stdin().lock(), WHAT, "standard input", MAX_REQUEST_MIB)?,
        _ => read_file(file_path(from), WHAT, &name, MAX_REQUEST_MIB)?,
    };
    RunRequest::from_json(&text).map_err(|error| Problem::bad_request(&error))
}

/// The path of what is written as `FILE`, or as `fd:NUMBER` for a descriptor that this process was started with.
pub(crate) fn file_path(text: &str) -> PathBuf {
    let number = text.strip_prefix("fd:").filter(|number| number.parse::<u16>().is_ok());
    number.map_or_else(|| text.into(), |number| Path::new("/dev/fd").join(number))
}

/// Reads the text of a file, of at most `most_mib` MiB. `what` and `name` are for messages, as in
/// [`read_bounded`].
///
/// # Errors
///
/// With exit code 2, when the file cannot be opened or read, is larger than that, or is not UTF-8.
pub fn read_file(
    path: impl AsRef<Path>,
    what: &str,
    name: &str,
    most_mib: u64,
) -> Result<String, Problem> {
    let file = File::open(path)
        .map_err(|error| Problem::wrong(format!("cannot read {what} from {name}: {error}")))?;
    read_bounded(file, what, name, most_mib)
}
