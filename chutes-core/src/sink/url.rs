//! URLs, as far as sinks have to know them: what is checked, what is shown, what is replaced.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::SinkSpecError;

/// A URL of HTTP or HTTPS. It may hold a signature or a password, so it is shown without user name,
/// password, query and fragment.
///
/// ```
/// use chutes::sink::HttpUrl;
///
/// let url = HttpUrl::new("https://ada:secret@storage.test:8443/a/b?signature=secret#top")?;
/// assert_eq!(url.to_string(), "https://storage.test:8443/a/b?…");
/// assert!(url.reveal().ends_with("?signature=secret#top"));
/// # Ok::<(), chutes::sink::SinkSpecError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Checks a URL.
    pub fn new(url: &str) -> Result<Self, SinkSpecError> {
        let wrong = |what: &str| Err(SinkSpecError::new(format!("an HTTP URL {what}")));
        let Some(parts) = split(url) else {
            return wrong("begins with `https://` or `http://`");
        };
        if !matches!(parts.scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return wrong("begins with `https://` or `http://`");
        }
        if let Some(problem) = bad_character(url) {
            return wrong(problem);
        }
        if !is_host(parts.host) {
            return wrong("needs a host, and nothing but a port after it");
        }
        Ok(Self(url.to_owned()))
    }

    /// The whole URL, with its secrets.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parts) = split(&self.0) else { return Ok(()) };
        let query = if parts.has_query { "?…" } else { "" };
        write!(f, "{}://{}{}{query}", parts.scheme, parts.host, parts.path)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// The schemes of object stores.
pub(super) const STORES: [&str; 3] = ["s3", "gs", "az"];

/// A URL of an object store: `s3://`, `gs://` or `az://`, a bucket, and a path. It has no secrets: the
/// credentials come from the environment.
///
/// ```
/// use chutes::sink::StoreUrl;
///
/// assert_eq!(StoreUrl::new("s3://results/train/7")?.as_str(), "s3://results/train/7");
/// assert!(StoreUrl::new("s3://key:secret@results/train").is_err());
/// # Ok::<(), chutes::sink::SinkSpecError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Checks a URL.
    pub fn new(url: &str) -> Result<Self, SinkSpecError> {
        let wrong =
            |what: &str| Err(SinkSpecError::new(format!("the URL of an object store {what}")));
        let Some(parts) = split(url).filter(|parts| STORES.contains(&parts.scheme)) else {
            return wrong("begins with `s3://`, `gs://` or `az://`");
        };
        if let Some(problem) = bad_character(url) {
            return wrong(problem);
        }
        if url.contains(['?', '#']) || parts.has_user {
            return wrong(
                "has a bucket and a path, nothing else: credentials and settings come from the \
                 environment, and a `?` or `#` in a path is written as `%3F` or `%23`",
            );
        }
        let is_of_bucket = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if parts.host.is_empty() || !parts.host.bytes().all(is_of_bucket) {
            return wrong("needs a bucket of letters, digits, `-`, `_` and `.` after `://`");
        }
        let path = parts.path.trim_start_matches('/').trim_end_matches('/');
        let is_bad = |part: &str| matches!(decode(part).as_slice(), b"" | b"." | b"..");
        if parts.path.starts_with("//") || (!path.is_empty() && path.split('/').any(is_bad)) {
            return wrong("has no parts that are empty, `.` or `..`");
        }
        Ok(Self(url.to_owned()))
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can be that of one object: it has a path that does not end with `/`.
    pub(super) fn has_key(&self) -> bool {
        split(&self.0).is_some_and(|parts| parts.path.len() > 1 && !parts.path.ends_with('/'))
    }

    pub(super) fn for_run(&self, run_id: &str, job: &str) -> Self {
        let filled = fill(self.0.as_bytes(), run_id, &encode(job.as_bytes()));
        Self(String::from_utf8_lossy(&filled).into_owned())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The parts of a URL that are shown, and whether there are others.
struct Parts<'a> {
    scheme: &'a str,
    has_user: bool,
    host: &'a str,
    path: &'a str,
    has_query: bool,
}

fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = split_scheme(url)?;
    let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, has_query) = rest.split_once('?').map_or((rest, false), |(rest, _)| (rest, true));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (has_user, host) =
        authority.rsplit_once('@').map_or((false, authority), |(_, host)| (true, host));
    Some(Parts { scheme, has_user, host, path, has_query })
}

/// The scheme of a URL, and what comes after `://`.
pub(super) fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    (is_scheme && scheme.bytes().all(is_of_scheme)).then_some((scheme, rest))
}

/// A backslash is a slash to some programs and not to others, so that they disagree about the host.
fn bad_character(url: &str) -> Option<&'static str> {
    let is_bad =
        |character: char| character.is_control() || character.is_whitespace() || character == '\\';
    url.contains(is_bad).then_some(
        "has no white space, control characters and backslashes: write them as `%` and two \
         hexadecimal digits",
    )
}

fn is_host(host: &str) -> bool {
    let (name, port) = if let Some(address) = host.strip_prefix('[') {
        let Some((address, port)) = address.split_once(']') else { return false };
        if !address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)) {
            return false;
        }
        (address, port)
    } else {
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        if !name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter)) {
            return false;
        }
        (name, port)
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !name.is_empty() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// Puts in the id of a run for `{run_id}` and a job for `{job}`.
pub(super) fn fill(text: &[u8], run_id: &str, job: &str) -> Vec<u8> {
    let mut filled = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"{run_id}") {
            filled.extend_from_slice(run_id.as_bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"{job}") {
            filled.extend_from_slice(job.as_bytes());
            rest = after;
        } else {
            filled.push(*first);
            rest = after;
        }
    }
    filled
}

/// Everything but letters, digits, `-`, `_`, `.`, `~` and `/` as `%` and two hexadecimal digits.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    text
}

/// The bytes that a text in percent-encoding stands for. A `%` without two digits stands for itself.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

fn digit(value: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(value & 15)])
}

/// The path of these bytes, if this system has such paths.
pub(super) fn path_of(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    #[cfg(unix)]
    let path = Ok(std::os::unix::ffi::OsStringExt::from_vec(bytes)) as Result<OsString, _>;
    #[cfg(not(unix))]
    let path = String::from_utf8(bytes).map(OsString::from);
    path.map(PathBuf::from).map_err(|_: std::string::FromUtf8Error| "a path on this system is text")
}
