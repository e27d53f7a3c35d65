//! The bounds of a run request that the types of its fields do not carry.

use std::path::Path;

use super::{AccessRequest, RunRequest};
use crate::reader::{Problems, member};

/// Notes all that is out of bounds, by its place in the JSON form.
pub(super) fn request(request: &RunRequest, problems: &mut Problems) {
    path("$.directory", &request.directory, problems);
    if let Some(dir) = &request.cache.dir {
        path("$.cache.dir", dir, problems);
    }
    if request.cache.size == Some(0) {
        problems.add("$.cache.size", "a cache has at least 1 byte; `enabled` turns it off");
    }
    let public_host = request.access.public_host.as_deref();
    if public_host.is_some_and(|host| !AccessRequest::is_public_host(host)) {
        problems.add("$.access.public_host", "expected a host name or an IP address");
    }
    if let Some(host) = &request.engine.host {
        text(
            "$.engine.host",
            "the address of an engine",
            host,
            RunRequest::MAX_PATH_BYTES,
            problems,
        );
    }
    if request.log_limit.is_some_and(|limit| limit < RunRequest::MIN_LOG_LIMIT) {
        let least = RunRequest::MIN_LOG_LIMIT;
        problems.add("$.log_limit", format!("a log has at least {least} bytes"));
    }
    labels(request, problems);
    if let Some(name) = &request.requested_by {
        let most = RunRequest::MAX_REQUESTED_BY_BYTES;
        text("$.requested_by", "the name of the requester", name, most, problems);
    }
}

fn labels(request: &RunRequest, problems: &mut Problems) {
    label_count(request.labels.len(), problems);
    for (name, value) in &request.labels {
        let at = member("$.labels", name.as_str());
        if !value.is_empty() {
            text(&at, "the text of a label", value, RunRequest::MAX_LABEL_BYTES, problems);
        }
    }
}

/// Whether there may be so many labels.
pub(super) fn label_count(count: usize, problems: &mut Problems) -> bool {
    let most = RunRequest::MAX_LABELS;
    if count > most {
        problems.add("$.labels", format!("a run has at most {most} labels, these are {count}"));
    }
    count <= most
}

fn path(at: &str, path: &Path, problems: &mut Problems) {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() {
        problems.add(at, "a path is not empty");
    }
    if bytes.len() > RunRequest::MAX_PATH_BYTES {
        problems.add(at, format!("a path has at most {} bytes", RunRequest::MAX_PATH_BYTES));
    }
    if bytes.contains(&0) {
        problems.add(at, "a path has no zero byte");
    }
}

fn text(at: &str, what: &str, text: &str, most: usize, problems: &mut Problems) {
    if text.is_empty() {
        problems.add(at, format!("{what} is not empty"));
    }
    if text.len() > most {
        problems.add(at, format!("{what} has at most {most} bytes"));
    }
    if text.contains(char::is_control) {
        problems.add(at, format!("{what} has no control characters"));
    }
}
