//! Sinks: where the files of a run go, as the command line and JSON have it.
//!
//! URLs, form fields and headers may hold signatures and passwords: whatever shows a sink shows it
//! without them. Only the JSON form is complete, and belongs into private files.

mod json;
mod parts;
#[cfg(test)]
mod tests;
mod text;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use self::parts::{field_problem, header_problem};
pub use self::url::{HttpUrl, StoreUrl};
use crate::{Escaped, OutputPath, RelativePath, RunId, Target};

/// A sink: where the files of a run are delivered to.
///
/// | text | place |
/// |---|---|
/// | `DIR`, `file:///DIR` | a directory |
/// | `s3://BUCKET/FOLDER`, `gs://…`, `az://…` | a folder of an object store |
/// | `FILE=https://…` | that one output file, by HTTP PUT |
/// | `NAME.zip`, `zip+file:///…`, `zip+s3://…`, `zip+https://…` | everything as one zip file |
/// | `{"url": …}` | any of these, as JSON |
///
/// The keys of the JSON form are `url` (a text as above), `file` (the one output file), `method`
/// (`PUT` or `POST`), `fields` (of the form that a POST sends, in this order) and `headers`; or
/// `status_url` alone, for the status URL of the Chutes platform. What a spec declares as output volumes
/// has `files`, a list of objects with these keys, or `system_output`, such an object without `file`,
/// and `except`, the list of the files that are not in it. In directories and in the URLs of object
/// stores, `{run_id}` and `{job}` stand for those of the run, see [`SinkSpec::for_run`].
///
/// ```
/// use chutes::sink::{SinkKind, SinkSpec};
///
/// let spec: SinkSpec = "model.bin=https://storage.test/model?signature=secret".parse()?;
/// assert!(matches!(spec.kind(), SinkKind::File { file, .. } if *file == "model.bin"));
/// assert_eq!(spec.to_string(), "model.bin=https://storage.test/model?…");
///
/// let error = "https://storage.test/model?signature=secret".parse::<SinkSpec>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`https://storage.test/model?…` takes one file: write `FILE=URL` for one output file, or \
///      `zip+URL` for a zip of everything",
/// );
/// # Ok::<(), chutes::sink::SinkSpecError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SinkSpec(SinkKind);

/// The kinds of sinks, see [`SinkSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// A local directory.
    Directory(PathBuf),
    /// A folder of an object store.
    ObjectStore(StoreUrl),
    /// One output file, to one URL.
    File {
        /// The file.
        file: OutputPath,
        /// Where to.
        to: Upload,
    },
    /// Everything as one zip file.
    Zip(ZipTarget),
    /// The status URL of the Chutes platform, which says where each file goes.
    StatusUrl(HttpUrl),
    /// Output files that a spec declares, each to its URL.
    Files(Vec<(RelativePath, Upload)>),
    /// The system output of a spec: a zip file of all outputs but some, with `stdout.txt` and `stderr.txt`.
    SystemOutput {
        /// Where to.
        to: Upload,
        /// The outputs that are not in it.
        except: Vec<RelativePath>,
    },
}

/// Where a zip file of everything goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZipTarget {
    /// This local file.
    File(PathBuf),
    /// This object of an object store.
    ObjectStore(StoreUrl),
    /// This URL.
    Upload(Upload),
}

/// One file to one URL over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    url: HttpUrl,
    method: UploadMethod,
    headers: SecretPairs,
}

impl Upload {
    /// One file as the body of a PUT, with these headers.
    ///
    /// ```
    /// use chutes::sink::{HttpUrl, Upload};
    ///
    /// let url = HttpUrl::new("https://storage.test/form")?;
    /// assert!(Upload::put(url.clone(), vec![("x-acl".into(), "private".into())]).is_ok());
    /// // The file itself is the field of this name.
    /// assert!(Upload::post(url, vec![("file".into(), "x".into())], Vec::new()).is_err());
    /// # Ok::<(), chutes::sink::SinkSpecError>(())
    /// ```
    pub fn put(url: HttpUrl, headers: Vec<(String, String)>) -> Result<Self, SinkSpecError> {
        Self::checked(url, UploadMethod::Put, headers)
    }

    /// One file as the last part of a form, after these fields, with these headers.
    pub fn post(
        url: HttpUrl,
        fields: Vec<(String, String)>,
        headers: Vec<(String, String)>,
    ) -> Result<Self, SinkSpecError> {
        Self::checked(url, UploadMethod::Post { fields: SecretPairs(fields) }, headers)
    }

    fn checked(
        url: HttpUrl,
        method: UploadMethod,
        headers: Vec<(String, String)>,
    ) -> Result<Self, SinkSpecError> {
        let fields = match &method {
            UploadMethod::Put => None,
            UploadMethod::Post { fields } => Some(fields.reveal()),
        };
        let of_header =
            |(name, value): &(String, String)| parts::header_problem(name, value, fields.is_some());
        let of_field = |(name, _): &(String, String)| parts::field_problem(name).map(str::to_owned);
        let problems = headers.iter().filter_map(of_header);
        let problems: Vec<String> =
            problems.chain(fields.into_iter().flatten().filter_map(of_field)).collect();
        if !problems.is_empty() {
            return Err(SinkSpecError { problems });
        }
        Ok(Self { url, method, headers: SecretPairs(headers) })
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// How the file is sent.
    #[must_use]
    pub const fn method(&self) -> &UploadMethod {
        &self.method
    }

    /// The headers that are sent with it.
    #[must_use]
    pub const fn headers(&self) -> &SecretPairs {
        &self.headers
    }
}

/// How one file is sent over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadMethod {
    /// As the body of a PUT.
    Put,
    /// As the last part of a form.
    Post {
        /// The fields in front of it, in order.
        fields: SecretPairs,
    },
}

/// Names with secret values: `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretPairs(Vec<(String, String)>);

impl SecretPairs {
    /// These names and values.
    #[must_use]
    pub const fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The names and the values, in order.
    #[must_use]
    pub fn reveal(&self) -> &[(String, String)] {
        &self.0
    }
}

impl fmt::Debug for SecretPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl SinkSpec {
    /// A local directory.
    #[must_use]
    pub const fn directory(path: PathBuf) -> Self {
        Self(SinkKind::Directory(path))
    }

    /// The status URL of a job of the Chutes platform.
    ///
    /// ```
    /// use chutes::sink::SinkSpec;
    ///
    /// let spec = SinkSpec::status_url("https://api.chutes.test/jobs/7?token=secret")?;
    /// assert_eq!(spec.to_string(), "https://api.chutes.test/jobs/7?…");
    /// # Ok::<(), chutes::sink::SinkSpecError>(())
    /// ```
    pub fn status_url(url: &str) -> Result<Self, SinkSpecError> {
        Ok(Self(SinkKind::StatusUrl(HttpUrl::new(url)?)))
    }

    /// Output files that a spec declares, each to its URL.
    #[must_use]
    pub const fn files(files: Vec<(RelativePath, Upload)>) -> Self {
        Self(SinkKind::Files(files))
    }

    /// The system output of a spec: all outputs but these as one zip file.
    #[must_use]
    pub const fn system_output(to: Upload, except: Vec<RelativePath>) -> Self {
        Self(SinkKind::SystemOutput { to, except })
    }

    /// Whether it is one that a spec declares as an output volume.
    #[must_use]
    pub const fn is_declared(&self) -> bool {
        matches!(self.0, SinkKind::Files(_) | SinkKind::SystemOutput { .. })
    }

    /// What kind of place this is.
    #[must_use]
    pub const fn kind(&self) -> &SinkKind {
        &self.0
    }

    /// The place for one run: `{run_id}` and `{job}` are replaced, in directories and in the URLs of
    /// object stores. Presigned URLs stay as they were signed.
    ///
    /// ```
    /// use chutes::contract::JobName;
    /// use chutes::run::RunId;
    /// use chutes::sink::SinkSpec;
    /// use chutes::spec::Target;
    ///
    /// let spec: SinkSpec = "/results/{job}/{run_id}".parse()?;
    /// let train = Target::Job(JobName::from_static("train"));
    /// let spec = spec.for_run(RunId::from_bytes([7; 16]), &train);
    /// assert_eq!(spec.to_string(), "/results/train/07070707-0707-0707-0707-070707070707");
    /// # Ok::<(), chutes::sink::SinkSpecError>(())
    /// ```
    #[must_use]
    pub fn for_run(&self, run_id: RunId, target: &Target) -> Self {
        let (run_id, job) = (run_id.to_string(), target.short_name());
        self.map(
            |path| {
                let bytes = path.as_os_str().as_encoded_bytes();
                let filled = url::fill(bytes, &run_id, job);
                url::path_of(filled).unwrap_or_else(|_| path.to_owned())
            },
            |store| store.for_run(&run_id, job),
        )
    }

    /// The same place for a process in another directory: relative paths are taken as relative to
    /// `base`.
    ///
    /// ```
    /// use chutes::sink::SinkSpec;
    ///
    /// let spec: SinkSpec = "results".parse()?;
    /// assert_eq!(spec.in_directory("/home/ada".as_ref()).to_string(), "/home/ada/results");
    /// # Ok::<(), chutes::sink::SinkSpecError>(())
    /// ```
    #[must_use]
    pub fn in_directory(&self, base: &Path) -> Self {
        self.map(|path| base.join(path), StoreUrl::clone)
    }

    fn map(
        &self,
        path: impl FnOnce(&Path) -> PathBuf,
        store: impl FnOnce(&StoreUrl) -> StoreUrl,
    ) -> Self {
        Self(match &self.0 {
            SinkKind::Directory(at) => SinkKind::Directory(path(at)),
            SinkKind::ObjectStore(at) => SinkKind::ObjectStore(store(at)),
            SinkKind::Zip(ZipTarget::File(at)) => SinkKind::Zip(ZipTarget::File(path(at))),
            SinkKind::Zip(ZipTarget::ObjectStore(at)) => {
                SinkKind::Zip(ZipTarget::ObjectStore(store(at)))
            }
            same => same.clone(),
        })
    }
}

/// Without user name, password, query, fragment, form fields and headers.
impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SinkKind::Directory(path) | SinkKind::Zip(ZipTarget::File(path)) => {
                Escaped(&path.to_string_lossy()).fmt(f)
            }
            SinkKind::ObjectStore(url) => url.fmt(f),
            SinkKind::File { file, to } => {
                write!(f, "{}={}", Escaped(&file.to_string()), to.url)
            }
            SinkKind::Zip(ZipTarget::ObjectStore(url)) => write!(f, "zip+{url}"),
            SinkKind::Zip(ZipTarget::Upload(to)) => write!(f, "zip+{}", to.url),
            SinkKind::StatusUrl(url) => url.fmt(f),
            SinkKind::Files(_) => f.write_str("the output volumes"),
            SinkKind::SystemOutput { to, .. } => write!(f, "system_output={}", to.url),
        }
    }
}

impl fmt::Debug for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SinkSpec").field(&self.0).finish()
    }
}

/// Why a text or JSON does not say where files go: all that is wrong with it, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSpecError {
    /// What is wrong, each with what to do: lowercase fragments.
    pub problems: Vec<String>,
}

impl SinkSpecError {
    fn new(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }
}

impl fmt::Display for SinkSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for SinkSpecError {}
