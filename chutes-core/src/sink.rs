//! Where the files of a run go, as it is asked for on the command line or in JSON.
//!
//! URLs, form fields and headers may hold signatures and passwords: whatever shows a sink shows it
//! without them. Only the JSON form is complete, and belongs into private files.

#[cfg(feature = "serde")]
mod json;
mod parts;
#[cfg(test)]
mod tests;
mod text;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};

pub use self::url::{HttpUrl, StoreUrl};
use crate::{Escaped, JobName, OutputPath, RunId};

/// A place that the files of a run are delivered to.
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
/// `status_url` alone, for the status URL of the Chutes platform. In directories and in the URLs of
/// object stores, `{run_id}` and `{job}` stand for those of the run, see [`SinkSpec::for_run`].
///
/// ```
/// use chutes_core::{SinkKind, SinkSpec};
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
/// # Ok::<(), chutes_core::SinkSpecError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SinkSpec(SinkKind);

/// The kinds of places, see [`SinkSpec`].
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

/// Names with values that nobody may see: `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretPairs(Vec<(String, String)>);

impl SecretPairs {
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
    /// use chutes_core::SinkSpec;
    ///
    /// let spec = SinkSpec::status_url("https://api.chutes.test/jobs/7?token=secret")?;
    /// assert_eq!(spec.to_string(), "https://api.chutes.test/jobs/7?…");
    /// # Ok::<(), chutes_core::SinkSpecError>(())
    /// ```
    pub fn status_url(url: &str) -> Result<Self, SinkSpecError> {
        Ok(Self(SinkKind::StatusUrl(HttpUrl::new(url)?)))
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
    /// use chutes_core::{JobName, RunId, SinkSpec};
    ///
    /// let spec: SinkSpec = "/results/{job}/{run_id}".parse()?;
    /// let spec = spec.for_run(RunId::from_bytes([7; 16]), &JobName::from_static("train"));
    /// assert_eq!(spec.to_string(), "/results/train/07070707-0707-0707-0707-070707070707");
    /// # Ok::<(), chutes_core::SinkSpecError>(())
    /// ```
    #[must_use]
    pub fn for_run(&self, run_id: RunId, job: &JobName) -> Self {
        let run_id = run_id.to_string();
        self.map(
            |path| {
                let bytes = path.as_os_str().as_encoded_bytes();
                let filled = url::fill(bytes, &run_id, job.as_str());
                url::path_of(filled).unwrap_or_else(|_| path.to_owned())
            },
            |store| store.for_run(&run_id, job.as_str()),
        )
    }

    /// The same place for a process in another directory: relative paths are taken as relative to
    /// `base`.
    ///
    /// ```
    /// use chutes_core::SinkSpec;
    ///
    /// let spec: SinkSpec = "results".parse()?;
    /// assert_eq!(spec.in_directory("/home/ada".as_ref()).to_string(), "/home/ada/results");
    /// # Ok::<(), chutes_core::SinkSpecError>(())
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
