//! The text form of a sink, which the command line takes.

use std::ffi::OsStr;
use std::str::FromStr;

use super::parts::{self, SinkParts};
use super::{SinkKind, SinkSpec, SinkSpecError, ZipTarget, json, url};
use crate::OutputPath;

/// Reads the form of the command line, see [`SinkSpec`].
impl FromStr for SinkSpec {
    type Err = SinkSpecError;

    fn from_str(text: &str) -> Result<Self, SinkSpecError> {
        let spec = if is_json(text) { json::read(text)? } else { plain(text)? };
        refuse_unknown_placeholders(&spec)?;
        Ok(spec)
    }
}

impl SinkSpec {
    /// Reads the form of the command line, in which a path need not be UTF-8. JSON and URLs are: in the path of a `file:` URL
    /// other bytes are written as `%` and two hexadecimal digits.
    ///
    /// ```
    /// use std::ffi::OsStr;
    /// use std::os::unix::ffi::OsStrExt;
    ///
    /// use chutes::sink::SinkSpec;
    ///
    /// let path = OsStr::from_bytes(b"results-\xff");
    /// assert_eq!(SinkSpec::from_os(path)?, "file:results-%FF".parse()?);
    /// # Ok::<(), chutes::sink::SinkSpecError>(())
    /// ```
    pub fn from_os(text: &OsStr) -> Result<Self, SinkSpecError> {
        let Some(text) = text.to_str() else {
            let spec = local(text)?;
            refuse_unknown_placeholders(&spec)?;
            return Ok(spec);
        };
        text.parse()
    }
}

/// Whether a text is JSON, and not a path that begins with a placeholder.
fn is_json(text: &str) -> bool {
    text.starts_with('{') && !["{run_id}", "{job}"].iter().any(|name| text.starts_with(name))
}

/// A path that is not UTF-8.
fn local(text: &OsStr) -> Result<SinkSpec, SinkSpecError> {
    let shown = text.to_string_lossy();
    if is_json(&shown) || shown.contains("://") || shown.starts_with("file:") {
        return Err(SinkSpecError::new(
            "JSON and URLs are UTF-8: in the path of a URL other bytes are written as `%` and two \
             hexadecimal digits",
        ));
    }
    let bytes = text.as_encoded_bytes();
    let (is_zip, path) = bytes.strip_prefix(b"zip+").map_or((false, bytes), |path| (true, path));
    parts::local(url::path_of(path.to_vec()).map_err(SinkSpecError::new)?, is_zip)
}

fn plain(text: &str) -> Result<SinkSpec, SinkSpecError> {
    let Some((file, url)) = file_and_url(text) else {
        return SinkParts { url: text.to_owned(), ..SinkParts::default() }.check();
    };
    let file = OutputPath::new(file).map_err(|error| {
        SinkSpecError::new(format!("{error}: `FILE` is the path of an output file"))
    })?;
    SinkParts { url: url.to_owned(), file: Some(file), ..SinkParts::default() }.check()
}

/// Splits at the `=` in front of an HTTP URL. Other `=` belong to the name of the file, or to the URL
/// when the text begins with one.
fn file_and_url(text: &str) -> Option<(&str, &str)> {
    if url::split_scheme(text).is_some() || text.starts_with("file:") {
        return None;
    }
    let is_http = |url: &str| {
        url::split_scheme(url).is_some_and(|(scheme, _)| {
            ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        })
    };
    let mut places = text.match_indices('=').map(|(at, _)| (&text[..at], &text[at + 1..]));
    places.find(|(_, url)| is_http(url))
}

/// A misspelt placeholder would make all runs write to one place.
fn refuse_unknown_placeholders(spec: &SinkSpec) -> Result<(), SinkSpecError> {
    let text = match spec.kind() {
        SinkKind::Directory(path) | SinkKind::Zip(ZipTarget::File(path)) => path.to_string_lossy(),
        SinkKind::ObjectStore(url) | SinkKind::Zip(ZipTarget::ObjectStore(url)) => {
            url.as_str().into()
        }
        SinkKind::File { .. }
        | SinkKind::Files(_)
        | SinkKind::SystemOutput { .. }
        | SinkKind::Zip(ZipTarget::Upload(_))
        | SinkKind::StatusUrl(_) => return Ok(()),
    };
    let names = text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0));
    let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_unknown = |name: &&str| !["run_id", "job"].contains(name) && is_word(name);
    match names.into_iter().find(is_unknown) {
        Some(name) => Err(SinkSpecError::new(format!(
            "`{{{name}}}` stands for nothing: there are `{{run_id}}` and `{{job}}`"
        ))),
        None => Ok(()),
    }
}
