//! The sinks of `run`: `--output`, `--status-url`, and the environment variables of the same meaning.
//!
//! Addresses may contain credentials. All users can read the arguments of a process, but only its owner can read its
//! environment and its files, so both options also accept `@FILE` and a variable.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use chutes_console::Problem;
use chutes_core::{Escaped, SinkKind, SinkSpec, ZipTarget};

use super::arguments;
use crate::registry::Job;

/// The sinks of a run, in the order of the arguments.
pub(super) fn wanted(job: &Job, arguments: &arguments::Run) -> Result<Vec<SinkSpec>, Problem> {
    let mut sinks = Vec::new();
    for text in &arguments.outputs {
        for line in addresses(text)? {
            let sink = SinkSpec::from_os(&line).map_err(|error| Problem::bad_request(&error))?;
            refuse_half_a_url(&sink)?;
            refuse_declared(&sink)?;
            sinks.push(sink);
        }
    }
    if !sinks.is_empty() && !job.uploads() {
        let message = format!("job `{}` is declared with `upload = false`", job.name());
        return Err(
            Problem::wrong(message).hint("nothing leaves its run directory: leave out `--output`")
        );
    }
    if let Some(text) = &arguments.status_url {
        for url in addresses(text)? {
            // One that is not UTF-8 is not a URL in any spelling, and may hold a secret.
            let url = url.to_str().ok_or_else(|| Problem::wrong("the status URL is not UTF-8"))?;
            let sink = SinkSpec::status_url(url).map_err(|error| Problem::bad_request(&error))?;
            sinks.push(sink);
        }
    }
    Ok(sinks)
}

/// Refuses output volumes: they are part of a spec and decide whether a run has completed, unlike a sink of the
/// command line.
fn refuse_declared(sink: &SinkSpec) -> Result<(), Problem> {
    if !sink.is_declared() {
        return Ok(());
    }
    let message = "`files` and `system_output` belong to the spec of a run";
    Err(Problem::wrong(message).hint("write `FILE=URL` for one file, or `zip+URL` for all"))
}

/// Refuses an address such as `s3:/bucket`: it is the path of a directory, but was probably meant as a URL.
fn refuse_half_a_url(sink: &SinkSpec) -> Result<(), Problem> {
    let (SinkKind::Directory(path) | SinkKind::Zip(ZipTarget::File(path))) = sink.kind() else {
        return Ok(());
    };
    let first = match path.components().next() {
        Some(Component::Normal(first)) => first.to_str(),
        _ => None,
    };
    let is_scheme = |name: &&str| {
        name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+')
    };
    let Some(scheme) = first.and_then(|name| name.strip_suffix(':')).filter(is_scheme) else {
        return Ok(());
    };
    let message = format!("`{sink}` is a directory, and looks like a URL");
    let hint = format!("write `{scheme}://…` for the URL, or `./{sink}` for the directory");
    Err(Problem::wrong(message).hint(hint))
}

/// The text itself, or the lines of a file. Empty lines and lines that begin with `#` are skipped. Paths need not be
/// UTF-8.
fn addresses(text: &OsStr) -> Result<Vec<OsString>, Problem> {
    let Some(file) = text.as_bytes().strip_prefix(b"@") else { return Ok(vec![text.to_owned()]) };
    let file = Path::new(OsStr::from_bytes(file));
    let content = std::fs::read(file).map_err(|error| {
        Problem::wrong(format!("cannot read `{}`: {error}", Escaped(&file.to_string_lossy())))
    })?;
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    Ok(lines.map(|line| OsStr::from_bytes(line).to_owned()).collect())
}
