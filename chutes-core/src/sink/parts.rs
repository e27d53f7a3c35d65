//! From the parts of a sink, in whatever form they came, to a checked one. Each rule of [`SinkSpec`] is here.

use std::path::{Path, PathBuf};

use super::url::{self, HttpUrl, StoreUrl};
use super::{SinkKind, SinkSpec, SinkSpecError, Upload, ZipTarget};
use crate::{Escaped, OutputPath, suggest};

/// The parts of a sink. All but the URL may be missing.
#[derive(Default)]
pub(super) struct SinkParts {
    pub(super) url: String,
    pub(super) file: Option<OutputPath>,
    pub(super) method: Option<Method>,
    pub(super) fields: Option<Vec<(String, String)>>,
    pub(super) headers: Option<Vec<(String, String)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Put,
    Post,
}

/// The kind of target that a URL or a path means.
enum Place {
    /// Whether it is a folder is known for a `file:` URL; for a path the name decides.
    Path {
        path: PathBuf,
        is_zip: bool,
    },
    Store(StoreUrl),
    Http(HttpUrl),
}

impl SinkParts {
    pub(super) fn check(self) -> Result<SinkSpec, SinkSpecError> {
        let (zip, url) = match self.url.strip_prefix("zip+") {
            Some(url) => (true, url),
            None => (false, self.url.as_str()),
        };
        let mut problems = Vec::new();
        let place = place(url).map_err(|error| problems.extend(error.problems)).ok();
        let is_http = matches!(place, Some(Place::Http(_)));
        if place.is_some() && !is_http {
            self.check_without_http(&mut problems);
        }
        if zip && self.file.is_some() {
            problems.push("`file` is one file, and `zip+` is all of them: give one of both".into());
        }
        let kind = place.and_then(|place| match place {
            Place::Http(url) => self.over_http(zip, url, &mut problems),
            Place::Store(url) => Some(store(zip, url, &mut problems)),
            Place::Path { path, is_zip } => Some(at_path(path, zip || is_zip)),
        });
        match kind {
            Some(kind) if problems.is_empty() => Ok(SinkSpec(kind)),
            _ => Err(SinkSpecError { problems }),
        }
    }

    fn check_without_http(&self, problems: &mut Vec<String>) {
        for (name, is_given) in [
            ("file", self.file.is_some()),
            ("method", self.method.is_some()),
            ("fields", self.fields.is_some()),
            ("headers", self.headers.is_some()),
        ] {
            if is_given {
                problems.push(format!("`{name}` goes with an `https://` URL only"));
            }
        }
    }

    fn over_http(self, zip: bool, url: HttpUrl, problems: &mut Vec<String>) -> Option<SinkKind> {
        if self.file.is_none() && !zip {
            problems.push(format!(
                "`{url}` takes one file: write `FILE=URL` for one output file, or `zip+URL` for a \
                 zip of everything"
            ));
        }
        if self.file.as_ref().is_some_and(OutputPath::is_root) {
            problems.push("`file` is the path of one output file, not of the directory".into());
        }
        let headers = self.headers.unwrap_or_default();
        let to = upload(url, self.method, self.fields, headers, problems)?;
        match self.file {
            Some(file) => Some(SinkKind::File { file, to }),
            None => zip.then_some(SinkKind::Zip(ZipTarget::Upload(to))),
        }
    }
}

/// The sink at a path of this machine.
pub(super) fn local(path: PathBuf, zip: bool) -> Result<SinkSpec, SinkSpecError> {
    let is_zip = is_zip_file(&path);
    refuse_zero_byte(path.as_os_str().as_encoded_bytes())?;
    Ok(SinkSpec(at_path(path, zip || is_zip)))
}

fn at_path(path: PathBuf, is_zip: bool) -> SinkKind {
    if is_zip { SinkKind::Zip(ZipTarget::File(path)) } else { SinkKind::Directory(path) }
}

/// Whether a path is that of a zip file, by its name.
fn is_zip_file(path: &Path) -> bool {
    let has_extension = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zip"));
    has_extension && !path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn refuse_zero_byte(path: &[u8]) -> Result<(), SinkSpecError> {
    if path.contains(&0) { Err(SinkSpecError::new("a path has no zero byte")) } else { Ok(()) }
}

fn store(zip: bool, url: StoreUrl, problems: &mut Vec<String>) -> SinkKind {
    if zip && !url.has_key() {
        problems.push(format!("`zip+{url}` needs the name of the zip file at its end"));
    }
    let looks_like_zip = url.as_str().to_ascii_lowercase().ends_with(".zip");
    if !zip && url.has_key() && looks_like_zip {
        problems.push(format!(
            "`{url}` looks like a zip file: write `zip+{url}` for a zip of everything, or `{url}/` \
             for a folder"
        ));
    }
    if zip { SinkKind::Zip(ZipTarget::ObjectStore(url)) } else { SinkKind::ObjectStore(url) }
}

/// One file to one URL. Fields make it a POST.
pub(super) fn upload(
    url: HttpUrl,
    method: Option<Method>,
    fields: Option<Vec<(String, String)>>,
    headers: Vec<(String, String)>,
    problems: &mut Vec<String>,
) -> Option<Upload> {
    let checked = match (method, fields) {
        (Some(Method::Put), Some(_)) => {
            problems.push("`fields` goes with the method `POST` only".into());
            return None;
        }
        (Some(Method::Put) | None, None) => Upload::put(url, headers),
        (_, fields) => Upload::post(url, fields.unwrap_or_default(), headers),
    };
    checked.map_err(|error| problems.extend(error.problems)).ok()
}

/// Headers that say how the body is sent: the HTTP client sets them.
const CLIENT_HEADERS: [&str; 4] = ["connection", "content-length", "expect", "transfer-encoding"];

/// Why this header cannot be sent with a file. A form has its own content type, which has the boundary between its
/// parts.
pub(crate) fn header_problem(name: &str, value: &str, is_form: bool) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Some(format!("`{}` is not the name of an HTTP header", Escaped(name)));
    }
    let name = name.to_ascii_lowercase();
    if CLIENT_HEADERS.contains(&name.as_str()) {
        return Some(format!("the header `{name}` cannot be given: leave it out"));
    }
    if is_form && name == "content-type" {
        let why = "the type of the file is a field";
        return Some(format!("the header `{name}` of a form cannot be given: {why}"));
    }
    let is_line = |value: &str| !value.chars().any(|letter| letter.is_control() && letter != '\t');
    (!is_line(value)).then(|| format!("the value of the header `{name}` is not one line"))
}

/// Why a form cannot have this field.
pub(crate) fn field_problem(name: &str) -> Option<&'static str> {
    (name == "file").then_some("the form field `file` is the file itself: leave it out")
}

fn place(url: &str) -> Result<Place, SinkSpecError> {
    if let Some(rest) = url.strip_prefix("file:") {
        return Ok(Place::Path { path: file_url(rest)?, is_zip: false });
    }
    match url::split_scheme(url) {
        Some((scheme, _)) if ["http", "https"].contains(&&*scheme.to_ascii_lowercase()) => {
            Ok(Place::Http(HttpUrl::new(url)?))
        }
        Some((scheme, _)) if url::STORES.contains(&scheme) => Ok(Place::Store(StoreUrl::new(url)?)),
        Some((scheme, _)) => Err(unknown_scheme(scheme)),
        None => path(url),
    }
}

fn unknown_scheme(scheme: &str) -> SinkSpecError {
    let known = ["file", "https", "http", "s3", "gs", "az"];
    let meant = suggest::nearest(scheme, known)
        .map(|known| format!(", did you mean `{known}://`?"))
        .unwrap_or_default();
    SinkSpecError::new(format!(
        "nothing can be sent to `{scheme}://`{meant}; there are a directory, `file://`, `s3://`, \
         `gs://`, `az://`, `FILE=https://` and `zip+` before a URL"
    ))
}

fn path(text: &str) -> Result<Place, SinkSpecError> {
    if text.is_empty() {
        return Err(SinkSpecError::new("an empty text is no place: write `.` for this directory"));
    }
    if text.contains("://") {
        return Err(SinkSpecError::new(
            "neither a URL nor a directory: only `https://` URLs take one file, as `FILE=URL`, and \
             a directory is written without `://`",
        ));
    }
    refuse_zero_byte(text.as_bytes())?;
    let path = PathBuf::from(text);
    Ok(Place::Path { is_zip: is_zip_file(&path), path })
}

/// The path of a `file:` URL, after that scheme. Without `//` it may be relative.
fn file_url(rest: &str) -> Result<PathBuf, SinkSpecError> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    if path.is_empty() || (rest.starts_with("//") && !path.starts_with('/')) {
        return Err(SinkSpecError::new("a `file` URL is `file:///` and a path on this machine"));
    }
    if path.contains(['?', '#']) {
        let problem = "a `?` or `#` in the path of a `file` URL is written as `%3F` or `%23`";
        return Err(SinkSpecError::new(problem));
    }
    let bytes = url::decode(path);
    refuse_zero_byte(&bytes)?;
    url::path_of(bytes).map_err(SinkSpecError::new)
}
