//! Everything that the starter of an attempt hands over to its supervisor.

mod address_range;
mod attempt;
mod check;
mod error;
mod json;
mod label;
mod parts;
mod path;
#[cfg(test)]
mod tests;
mod trace_parent;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub use self::address_range::{AddressRange, AddressRangeError};
pub use self::attempt::{Attempt, AttemptError};
pub use self::error::RunRequestError;
pub use self::label::{LabelName, LabelNameError};
pub use self::parts::{AccessRequest, CacheRequest, EngineRequest, PullPolicy, UnknownPullPolicy};
pub use self::trace_parent::{TraceParent, TraceParentError};
use crate::{JobSpec, RunId, SinkSpec, SpecErrors};

/// One attempt at a run, as its starter hands it over to a supervisor: the spec, and everything that only
/// the starter knows.
///
/// A command line, a service or a program that embeds a supervisor builds one, with
/// [`RunRequest::new`] and its public fields. Between processes it travels as JSON
/// ([`to_json`](Self::to_json), [`from_json`](Self::from_json)), through a file descriptor or a private
/// file: the JSON has all secrets, and `Debug` has none.
///
/// ```
/// use std::collections::BTreeMap;
/// use chutes::request::{AccessRequest, Attempt, LabelName, RunRequest};
/// use chutes::run::RunId;
/// use chutes::spec::{ImageName, JobSpec};
///
/// let spec = JobSpec::builder(ImageName::new("alpine")?).env("TOKEN", "secret").build()?;
/// let request = RunRequest {
///     attempt: Attempt::new(2)?,
///     sinks: vec!["/backup/{job}/{run_id}".parse()?],
///     access: AccessRequest { host: "0.0.0.0".parse()?, ..AccessRequest::default() },
///     labels: BTreeMap::from([(LabelName::new("team")?, "vision".to_owned())]),
///     ..RunRequest::new(RunId::from_bytes([7; 16]), spec, "/var/lib/chutes/runs/7")
/// };
/// assert!(!format!("{request:?}").contains("secret"));
///
/// let text = request.to_json()?;
/// assert!(text.starts_with(r#"{"version":1,"run_id":"07070707-"#) && text.contains("secret"));
/// assert_eq!(RunRequest::from_json(&text)?, request);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # JSON
///
/// An object with `version` (the number 1) and the fields by their names. `run_id`, `directory` and `spec`
/// are needed; a field that is left out, or `null`, has its default. Writing leaves none out. A path is a
/// text; one that is not UTF-8 is an object with the path in percent-encoding, as in
/// `{"path": "runs/%FF", "path_encoding": "percent"}`.
#[derive(Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// The id of the run, a UUID. All attempts at a run have the same. Without default; chosen by the
    /// starter.
    pub run_id: RunId,
    /// Which attempt at the run this is: from 1 to 4,294,967,295. Default 1; counted by the component that
    /// repeats runs.
    pub attempt: Attempt,
    /// The directory of the attempt, absolute or relative to the current directory of the supervisor: 1 to
    /// 4,095 bytes, none of which is zero. Without default; chosen by the starter (`--run-dir`).
    pub directory: PathBuf,
    /// What to run, on which data, within which limits, and where its ports are published. Without default;
    /// from the client, with what the command line adds (`--spec`, `--data`, `--time-limit`, `--publish`,
    /// `--ssh-public-key`).
    pub spec: JobSpec,
    /// Where the files of the run are delivered to besides the output volumes of the spec. A relative
    /// directory is relative to the current directory of the supervisor. Default none; from `--output` and
    /// `--status-url`.
    pub sinks: Vec<SinkSpec>,
    /// Whether finished output files are delivered while the job goes on. Default no; from `--live`.
    pub live: bool,
    /// How the run is reached, apart from what the spec says. Default from this machine alone.
    pub access: AccessRequest,
    /// Where fetched files are kept for later runs. Default the cache of the user.
    pub cache: CacheRequest,
    /// The addresses that URLs of the spec may name although machines keep them to themselves. Default none;
    /// from `--allow-address`.
    pub allowed_addresses: Vec<AddressRange>,
    /// The container engine of an image; a job ignores it. Default the engine of the environment.
    pub engine: EngineRequest,
    /// How much is kept of each of the two streams that the job prints to, in bytes: 1,024 or more. Default
    /// `None`, which is what the supervisor keeps by itself (256 MiB); from `--log-limit`.
    pub log_limit: Option<u64>,
    /// Names and texts by which the starter finds the run again: at most 64, each text at most 256 bytes
    /// without control characters. They are shown, so they hold no secrets. Default none; from the client.
    pub labels: BTreeMap<LabelName, String>,
    /// The span to which the spans of the attempt belong. Default none; from the `traceparent` header of the
    /// client, or the span of the starter.
    pub trace_parent: Option<TraceParent>,
    /// The user, key or program that asked for the run, as it is shown: 1 to 256 bytes without control
    /// characters. Default unknown; from the starter, which has authenticated it or has not.
    pub requested_by: Option<String>,
}

impl RunRequest {
    /// The version of the JSON form that this program writes and reads.
    pub const VERSION: u64 = 1;

    /// The longest JSON form that is written and read, in bytes: a spec with its inline volumes of 256 MiB,
    /// and 16 MiB for all other fields. A program that reads from a file or a pipe stops after so many bytes.
    pub const MAX_BYTES: usize = 272 * 1024 * 1024;

    /// The longest path, in bytes: Linux takes no longer one.
    pub const MAX_PATH_BYTES: usize = 4_095;

    /// The smallest limit of a log, in bytes: less would hold little more than the line that says how much is
    /// missing.
    pub const MIN_LOG_LIMIT: u64 = 1_024;

    /// The most labels of one run.
    pub const MAX_LABELS: usize = 64;

    /// The longest text of a label, in bytes.
    pub const MAX_LABEL_BYTES: usize = 256;

    /// The longest text of [`requested_by`](Self::requested_by), in bytes.
    pub const MAX_REQUESTED_BY_BYTES: usize = 256;

    /// The first attempt at a run, with defaults for everything else.
    ///
    /// ```
    /// use chutes::request::{Attempt, RunRequest};
    /// use chutes::run::RunId;
    /// use chutes::spec::{ImageName, JobSpec};
    ///
    /// let spec = JobSpec::image(ImageName::new("alpine")?, Vec::new());
    /// let request = RunRequest::new(RunId::from_bytes([7; 16]), spec, "runs/first");
    /// assert_eq!(request.attempt, Attempt::FIRST);
    /// assert!(request.access.host.is_loopback() && request.cache.enabled && !request.live);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(run_id: RunId, spec: JobSpec, directory: impl Into<PathBuf>) -> Self {
        Self {
            run_id,
            attempt: Attempt::FIRST,
            directory: directory.into(),
            spec,
            sinks: Vec::new(),
            live: false,
            access: AccessRequest::default(),
            cache: CacheRequest::default(),
            allowed_addresses: Vec::new(),
            engine: EngineRequest::default(),
            log_limit: None,
            labels: BTreeMap::new(),
            trace_parent: None,
            requested_by: None,
        }
    }

    /// All places that the files of the run are delivered to: the output volumes of the spec, then the other
    /// sinks.
    ///
    /// ```
    /// use chutes::request::RunRequest;
    /// use chutes::run::RunId;
    /// use chutes::sink::{HttpUrl, Upload};
    /// use chutes::spec::{ImageName, JobSpec};
    ///
    /// let to = Upload::put(HttpUrl::new("https://storage.test/all.zip")?, Vec::new())?;
    /// let spec = JobSpec::builder(ImageName::new("alpine")?).system_output(to).build()?;
    /// let mut request = RunRequest::new(RunId::from_bytes([7; 16]), spec, "runs/7");
    /// request.sinks.push("/backup".parse()?);
    /// let shown: Vec<String> = request.all_sinks().iter().map(ToString::to_string).collect();
    /// assert_eq!(shown, ["system_output=https://storage.test/all.zip", "/backup"]);
    /// assert!(request.has_sinks());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn all_sinks(&self) -> Vec<SinkSpec> {
        let mut sinks = self.spec.output_volumes.sinks();
        sinks.extend_from_slice(&self.sinks);
        sinks
    }

    /// Whether the files of the run are delivered to any place.
    #[must_use]
    pub const fn has_sinks(&self) -> bool {
        !self.spec.output_volumes.is_empty() || !self.sinks.is_empty()
    }

    /// Checks the bounds that the types of the fields do not carry, for a request that never was JSON. What
    /// the spec asks for is checked where the spec is made.
    ///
    /// ```
    /// use chutes::request::RunRequest;
    /// use chutes::run::RunId;
    /// use chutes::spec::{ImageName, JobSpec};
    ///
    /// let spec = JobSpec::image(ImageName::new("alpine")?, Vec::new());
    /// let mut request = RunRequest::new(RunId::from_bytes([7; 16]), spec, "runs/7");
    /// assert_eq!(request.check(), Ok(()));
    /// request.log_limit = Some(10);
    /// let errors = request.check().unwrap_err();
    /// assert_eq!(errors.to_string(), "$.log_limit: a log has at least 1024 bytes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// With all fields that are out of bounds, by their places in the JSON form.
    pub fn check(&self) -> Result<(), SpecErrors> {
        let mut problems = crate::reader::Problems::default();
        check::request(self, &mut problems);
        problems.finish(Some(()))
    }
}

/// Without secrets: the spec as [`JobSpec::without_secrets`] gives it, and sinks as they are shown.
impl fmt::Debug for RunRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sinks: Vec<String> = self.sinks.iter().map(ToString::to_string).collect();
        f.debug_struct("RunRequest")
            .field("run_id", &self.run_id)
            .field("attempt", &self.attempt)
            .field("directory", &self.directory)
            .field("spec", &self.spec.without_secrets())
            .field("sinks", &sinks)
            .field("live", &self.live)
            .field("access", &self.access)
            .field("cache", &self.cache)
            .field("allowed_addresses", &self.allowed_addresses)
            .field("engine", &self.engine)
            .field("log_limit", &self.log_limit)
            .field("labels", &self.labels)
            .field("trace_parent", &self.trace_parent)
            .field("requested_by", &self.requested_by)
            .finish()
    }
}
