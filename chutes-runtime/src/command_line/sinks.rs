//! Where `run` delivers to: `--output`, `--status-url`, and the variables of the same meaning.
//!
//! Addresses may hold credentials. Everybody can see the arguments of a process, and only its owner
//! its environment and its files, so both can be given as `@FILE` and by a variable, too.

use std::path::Component;

use chutes_core::{SinkKind, SinkSpec, ZipTarget};

use super::arguments;
use super::problem::Problem;
use crate::registry::Job;

/// The sinks of a run, in the order in which they were asked for.
pub(super) fn wanted(job: &Job, arguments: &arguments::Run) -> Result<Vec<SinkSpec>, Problem> {
    let mut sinks = Vec::new();
    for text in &arguments.outputs {
        for line in addresses(text)? {
            let sink = line.parse().map_err(|error| Problem::bad_request(&error))?;
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
            let sink = SinkSpec::status_url(&url).map_err(|error| Problem::bad_request(&error))?;
            sinks.push(sink);
        }
    }
    Ok(sinks)
}

/// Output volumes decide whether a run has completed, which a place beside its spec does not.
fn refuse_declared(sink: &SinkSpec) -> Result<(), Problem> {
    if !sink.is_declared() {
        return Ok(());
    }
    let message = "`files` and `system_output` belong to the spec of a run";
    Err(Problem::wrong(message).hint("write `FILE=URL` for one file, or `zip+URL` for all"))
}

/// `s3:/bucket` is the name of a directory, and whoever writes it will look for the files elsewhere.
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

/// The text itself, or the lines of a file. Empty lines and lines that begin with `#` say nothing.
fn addresses(text: &str) -> Result<Vec<String>, Problem> {
    let Some(file) = text.strip_prefix('@') else { return Ok(vec![text.to_owned()]) };
    let content = std::fs::read_to_string(file)
        .map_err(|error| Problem::wrong(format!("cannot read `{file}`: {error}")))?;
    let lines = content.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}
