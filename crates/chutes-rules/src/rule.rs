//! The rules, each in exactly one `const fn`.
//!
//! They answer yes or no about raw values; the types of this crate turn a no into an error. The
//! numbers come from the Chutes job decorator (`@chute.job()`), the form of port names is the one
//! that it documents, and the form of job names is our own.
//!
//! ```
//! use chutes::contract::rule;
//!
//! assert!(rule::is_port_number(rule::SSH_PORT.into()));
//! assert!(rule::is_port_name(rule::SSH_PORT_NAME));
//! assert!(!rule::is_port_number(u64::from(rule::FIRST_PORT) - 1));
//! assert!(!rule::is_timeout_seconds(rule::MIN_TIMEOUT_SECONDS - 1));
//! assert!(!rule::is_timeout_seconds(rule::MAX_TIMEOUT_SECONDS + 1));
//! assert!(rule::is_job_name(&"x".repeat(rule::MAX_JOB_NAME_BYTES)));
//! ```

#[cfg(test)]
mod tests;

use std::time::Duration;

/// The port on which a run offers SSH, and the only port below [`FIRST_PORT`] that a job may open.
pub const SSH_PORT: u16 = 2202;

/// The name of the port that `ssh = true` adds.
pub const SSH_PORT_NAME: &str = "ssh";

/// The lowest port number that a job may open, apart from [`SSH_PORT`].
pub const FIRST_PORT: u16 = 8002;

/// The shortest time limit that a job may declare, in seconds.
pub const MIN_TIMEOUT_SECONDS: u64 = 30;

/// The longest time limit that a job may declare, in seconds (24 hours).
pub const MAX_TIMEOUT_SECONDS: u64 = 86_400;

/// The longest job name, in bytes: with a short run id it still fits into one path component.
pub const MAX_JOB_NAME_BYTES: usize = 200;

/// Whether a job may open this port: 2202, or 8002 to 65535.
///
/// ```
/// assert!(chutes::contract::rule::is_port_number(2202));
/// assert!(chutes::contract::rule::is_port_number(8002));
/// assert!(!chutes::contract::rule::is_port_number(80));
/// ```
#[must_use]
pub const fn is_port_number(number: u64) -> bool {
    number == SSH_PORT as u64 || (FIRST_PORT as u64 <= number && number <= u16::MAX as u64)
}

/// The longest readiness path.
pub const MAX_READINESS_PATH: usize = 1_024;

/// Whether this is the path, perhaps with a query, of a request: it begins with `/` and has nothing but
/// visible ASCII characters without `#`.
///
/// ```
/// assert!(chutes::contract::rule::is_readiness_path("/health?full=1"));
/// assert!(!chutes::contract::rule::is_readiness_path("health"));
/// assert!(!chutes::contract::rule::is_readiness_path("/a b"));
/// ```
#[must_use]
pub const fn is_readiness_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_READINESS_PATH || bytes[0] != b'/' {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_graphic() || bytes[at] == b'#' {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether this is a port name: lowercase ASCII letters, then optional digits (`[a-z]+[0-9]*`,
/// the whole string).
///
/// ```
/// assert!(chutes::contract::rule::is_port_name("metrics1"));
/// assert!(!chutes::contract::rule::is_port_name("web-ui"));
/// assert!(!chutes::contract::rule::is_port_name("web\n"));
/// ```
#[must_use]
pub const fn is_port_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut letters = 0;
    while letters < bytes.len() && bytes[letters].is_ascii_lowercase() {
        letters += 1;
    }
    let mut end = letters;
    while end < bytes.len() && bytes[end].is_ascii_digit() {
        end += 1;
    }
    letters > 0 && end == bytes.len()
}

/// Whether a job may declare this time limit: 30 to 86,400 seconds.
///
/// ```
/// assert!(chutes::contract::rule::is_timeout_seconds(30));
/// assert!(!chutes::contract::rule::is_timeout_seconds(86_401));
/// ```
#[must_use]
pub const fn is_timeout_seconds(seconds: u64) -> bool {
    MIN_TIMEOUT_SECONDS <= seconds && seconds <= MAX_TIMEOUT_SECONDS
}

/// Whether this can name a job: 1 to 200 bytes that are safe as one path component and on a command
/// line, so no control characters, white space, slashes or backslashes, and no `-` or `.` in front.
///
/// ```
/// assert!(chutes::contract::rule::is_job_name("train"));
/// assert!(!chutes::contract::rule::is_job_name("../train"));
/// assert!(!chutes::contract::rule::is_job_name("--help"));
/// ```
#[must_use]
pub const fn is_job_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_JOB_NAME_BYTES || matches!(bytes[0], b'-' | b'.') {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], 0..=b' ' | b'/' | b'\\' | 0x7f) {
            return false;
        }
        at += 1;
    }
    true
}

/// The longest component of a path that comes from outside, in bytes: what file systems can hold.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// What is wrong with a path that is to be relative and in its one canonical spelling, after its name;
/// `None` when nothing is. The rules are those of ComputeHorde's handling of untrusted files.
///
/// ```
/// use chutes::contract::rule::relative_path_problem;
///
/// assert_eq!(relative_path_problem("models/7b.bin"), None);
/// assert_eq!(relative_path_problem("/etc/passwd"), Some("begins with `/`"));
/// ```
#[must_use]
pub fn relative_path_problem(path: &str) -> Option<&'static str> {
    let component_problem = |component: &str| match component {
        "" => Some("has an empty component"),
        "." => Some("has a component `.`"),
        ".." => Some("has a component `..`"),
        long if long.len() > MAX_COMPONENT_BYTES => Some("has a component of more than 255 bytes"),
        _ => None,
    };
    if path.is_empty() {
        Some("is empty")
    } else if path.starts_with('/') {
        Some("begins with `/`")
    } else if path.ends_with('/') {
        Some("ends with `/`")
    } else if path.contains('\0') {
        Some("has a zero byte")
    } else if path.contains('\\') {
        Some("has a backslash")
    } else {
        path.split('/').find_map(component_problem)
    }
}

/// The longest limit of one phase of a run that a spec may ask for (30 days).
pub const MAX_RUN_LIMIT: Duration = Duration::from_hours(30 * 24);

/// Whether a spec may ask for this limit of a phase: more than nothing, at most 30 days.
///
/// ```
/// use std::time::Duration;
/// use chutes::contract::rule::is_run_limit;
///
/// assert!(is_run_limit(Duration::from_millis(1)));
/// assert!(!is_run_limit(Duration::ZERO));
/// assert!(!is_run_limit(Duration::from_hours(30 * 24) + Duration::from_nanos(1)));
/// ```
#[must_use]
pub const fn is_run_limit(limit: Duration) -> bool {
    !limit.is_zero() && limit.as_nanos() <= MAX_RUN_LIMIT.as_nanos()
}

/// An artifact is returned with the result when it is smaller than this, in bytes. As in ComputeHorde,
/// but one that is larger is listed.
pub const ARTIFACT_BYTES_LIMIT: u64 = 1_000_000;

/// Whether a file of this size is returned with the result.
///
/// ```
/// assert!(chutes::contract::rule::is_artifact_size(999_999));
/// assert!(!chutes::contract::rule::is_artifact_size(1_000_000));
/// ```
#[must_use]
pub const fn is_artifact_size(bytes: u64) -> bool {
    bytes < ARTIFACT_BYTES_LIMIT
}

/// The longest namespace, in characters, as in the ComputeHorde API.
pub const MAX_NAMESPACE_CHARACTERS: usize = 100;

/// What is wrong with a namespace; `None` when nothing is.
///
/// ```
/// use chutes::contract::rule::namespace_problem;
///
/// assert_eq!(namespace_problem("SN123.1.0"), None);
/// assert_eq!(namespace_problem(""), Some("is empty: leave it out"));
/// ```
#[must_use]
pub fn namespace_problem(namespace: &str) -> Option<&'static str> {
    if namespace.is_empty() {
        Some("is empty: leave it out")
    } else if namespace.chars().count() > MAX_NAMESPACE_CHARACTERS {
        Some("has more than 100 characters")
    } else if namespace.chars().any(char::is_control) {
        Some("has a control character")
    } else {
        None
    }
}

/// Whether a text has a private key in it, in any of the forms of OpenSSH and OpenSSL.
///
/// ```
/// use chutes::contract::rule::has_private_key;
///
/// assert!(has_private_key("-----BEGIN OPENSSH PRIVATE KEY-----"));
/// assert!(!has_private_key("ssh-ed25519 AAAA me"));
/// ```
#[must_use]
pub fn has_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

/// What is wrong with the text of one or several public keys, without reading them: whether they are keys
/// is for the SSH server to say. `None` when nothing is. The text is never repeated, because it may be a
/// private key.
///
/// ```
/// use chutes::contract::rule::public_keys_problem;
///
/// assert_eq!(public_keys_problem("ssh-ed25519 AAAA me"), None);
/// assert_eq!(public_keys_problem(""), Some("is empty"));
/// ```
#[must_use]
pub fn public_keys_problem(text: &str) -> Option<&'static str> {
    if text.trim().is_empty() {
        Some("is empty")
    } else if text.contains('\0') {
        Some("has a zero byte")
    } else if has_private_key(text) {
        Some("is a private key: give the public one, the line in the file that ends with `.pub`")
    } else {
        None
    }
}

/// What is wrong with the name of an environment variable; `None` when nothing is.
///
/// ```
/// use chutes::contract::rule::env_name_problem;
///
/// assert_eq!(env_name_problem("RUST_LOG"), None);
/// assert_eq!(env_name_problem("A=B"), Some("has a `=`"));
/// ```
#[must_use]
pub fn env_name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.contains('=') {
        Some("has a `=`")
    } else if name.contains('\0') {
        Some("has a zero byte")
    } else {
        None
    }
}

/// Whether this is the name of a repository of the Hugging Face Hub: `NAME` or `OWNER/NAME`, at most 96
/// letters, digits and `._-`, no part with `.` or `-` at an end, no `..` and `--`, no `.git` at the end.
///
/// ```
/// use chutes::contract::rule::is_hub_repository;
///
/// assert!(is_hub_repository("openai/whisper-tiny"));
/// assert!(!is_hub_repository("https://huggingface.co/openai/whisper-tiny"));
/// ```
#[must_use]
pub fn is_hub_repository(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(is_known)
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.', '-'])
    };
    name.len() <= 96
        && name.split('/').count() <= 2
        && name.split('/').all(is_part)
        && !name.contains("..")
        && !name.contains("--")
        && name.strip_suffix(".git").is_none()
}

/// What is wrong with a branch, tag or commit of a repository; `None` when nothing is. Everything is allowed that
/// `git check-ref-format` allows.
///
/// ```
/// use chutes::contract::rule::revision_problem;
///
/// assert_eq!(revision_problem("refs/pr/1"), None);
/// assert_eq!(revision_problem("fix#1"), None);
/// assert_eq!(revision_problem("../main"), Some("has a `..`"));
/// ```
#[must_use]
pub fn revision_problem(revision: &str) -> Option<&'static str> {
    let is_bad = |letter: char| letter.is_ascii_control() || " ~^:?*[\\".contains(letter);
    let mut components = revision.split('/');
    if revision.is_empty() {
        Some("is empty: leave it out")
    } else if revision.len() > MAX_REVISION_BYTES {
        Some("has more than 1024 bytes")
    } else if revision.contains("..") {
        Some("has a `..`")
    } else if revision.contains(is_bad) {
        Some("has a character that no branch, tag or commit has")
    } else if revision.starts_with(['/', '-']) || revision.ends_with('/') {
        Some("begins with `/` or `-`, or ends with `/`")
    } else if revision == "@" || revision.contains("@{") {
        Some("is `@`, or has `@{`, which is no name in Git")
    } else if components.clone().any(|component| component.starts_with('.'))
        || revision.ends_with('.')
    {
        Some("has a component that begins with `.`, or ends with `.`")
    } else if components.clone().any(|component| component.strip_suffix(".lock").is_some()) {
        Some("has a component that ends with `.lock`")
    } else if components.any(|part| part.is_empty() || part.len() > MAX_COMPONENT_BYTES) {
        Some("has a component that is empty or has more than 255 bytes")
    } else {
        None
    }
}

/// The longest name of a branch or tag. Git has no limit of its own.
const MAX_REVISION_BYTES: usize = 1024;

/// What is wrong with a pattern of file names; `None` when nothing is.
///
/// ```
/// use chutes::contract::rule::pattern_problem;
///
/// assert_eq!(pattern_problem("models/*.json"), None);
/// assert_eq!(pattern_problem("../*"), Some("has a component `..`"));
/// ```
#[must_use]
pub fn pattern_problem(pattern: &str) -> Option<&'static str> {
    if pattern.is_empty() {
        Some("is empty")
    } else if pattern.len() > 1_024 {
        Some("has more than 1024 bytes")
    } else if pattern.chars().any(char::is_control) {
        Some("has a control character")
    } else if pattern.starts_with('/') {
        Some("begins with `/`: patterns are relative to the repository")
    } else if pattern.split('/').any(|component| component == "..") {
        Some("has a component `..`")
    } else {
        None
    }
}
