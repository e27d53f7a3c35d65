//! The manifest: the state of each output file of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Delivery, FileKind, OutputPath, RunId, Sha256Digest};

/// The state of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The file was read and its checksum taken; it stays in the run directory.
    Collected {
        /// The size in bytes.
        bytes: u64,
        /// The checksum of the content.
        sha256: Sha256Digest,
    },
    /// The file should have been collected and was not: the outputs of the run are not complete.
    Failed {
        /// Why, as a lowercase fragment.
        reason: String,
    },
    /// The entry is not an output file: a link, a socket, a device.
    Skipped {
        /// Why, as a lowercase fragment.
        reason: String,
    },
}

impl FileState {
    /// The name in JSON and in tables.
    ///
    /// ```
    /// use chutes::manifest::{FileState, Sha256Digest};
    ///
    /// let sha256 = Sha256Digest::from_bytes([0; 32]);
    /// assert_eq!(FileState::Collected { bytes: 3, sha256 }.as_str(), "collected");
    /// let link = FileState::Skipped { reason: "a symbolic link is never followed".into() };
    /// assert_eq!(link.as_str(), "skipped");
    /// ```
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Collected { .. } => "collected",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// One file of a run. In JSON one flat object: `path`, `bytes`, `sha256`, `state`, a `reason` unless
/// the file was collected, and `deliveries` if there are sinks. A path that is not UTF-8 is written in
/// percent-encoding, with `"path_encoding":"percent"` beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "record::FileRecord", try_from = "record::FileRecord")]
pub struct OutputFile {
    /// The path below the output directory (for a log: below the directory of the logs).
    pub path: OutputPath,
    /// What became of it.
    pub state: FileState,
    /// What became of it at each sink; nothing when the run has no sinks.
    pub deliveries: Vec<Delivery>,
}

impl OutputFile {
    /// A file that has not been delivered anywhere.
    ///
    /// ```
    /// use chutes::manifest::{FileState, OutputFile, OutputPath};
    ///
    /// let state = FileState::Skipped { reason: "not a regular file".into() };
    /// let pipe = OutputFile::new(OutputPath::new(*b"pipe")?, state);
    /// assert!(pipe.is_safe());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(path: OutputPath, state: FileState) -> Self {
        Self { path, state, deliveries: Vec::new() }
    }

    /// Whether nothing of it is lost: it was collected, or is not an output, and no delivery failed.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let failed = matches!(self.state, FileState::Failed { .. });
        !failed && self.deliveries.iter().all(|delivery| !delivery.state.is_failed())
    }
}

/// The state of all files of a run, sorted by path: the content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The run.
    pub run_id: RunId,
    /// The output files.
    pub files: Vec<OutputFile>,
    /// What the job printed. Logs are not outputs, and no output can take the place of one.
    #[serde(default)]
    pub logs: Vec<OutputFile>,
    /// The small files that are returned with the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<OutputFile>,
}

impl Manifest {
    /// How many files should have been collected and were not.
    ///
    /// ```
    /// use chutes::manifest::{FileState, Manifest, OutputFile, OutputPath};
    /// use chutes::run::RunId;
    ///
    /// let state = FileState::Failed { reason: "it was changed while it was read".into() };
    /// let lost = OutputFile::new(OutputPath::new(*b"logs/train.log")?, state);
    /// let state = FileState::Skipped { reason: "not a regular file".into() };
    /// let pipe = OutputFile::new(OutputPath::new(*b"pipe")?, state);
    /// let run_id = RunId::from_bytes([7; 16]);
    /// let (logs, artifacts) = (Vec::new(), Vec::new());
    /// let manifest = Manifest { run_id, files: vec![lost, pipe], logs, artifacts };
    /// assert_eq!(manifest.uncollected(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn uncollected(&self) -> usize {
        self.all().filter(|(_, file)| matches!(file.state, FileState::Failed { .. })).count()
    }

    /// How many files were collected and have not reached every sink.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        let is_undelivered = |(_, file): &(FileKind, &OutputFile)| {
            file.deliveries.iter().any(|it| it.state.is_failed())
        };
        self.all().filter(is_undelivered).count()
    }

    /// All files, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut OutputFile> {
        self.files.iter_mut().chain(&mut self.logs).chain(&mut self.artifacts)
    }

    /// The files of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: FileKind) -> &[OutputFile] {
        match kind {
            FileKind::Output => &self.files,
            FileKind::Log => &self.logs,
            FileKind::Artifact => &self.artifacts,
        }
    }

    /// The files of a kind, to be changed.
    pub fn of_kind_mut(&mut self, kind: FileKind) -> &mut Vec<OutputFile> {
        match kind {
            FileKind::Output => &mut self.files,
            FileKind::Log => &mut self.logs,
            FileKind::Artifact => &mut self.artifacts,
        }
    }

    /// All files with their kinds, the outputs first.
    pub fn all(&self) -> impl Iterator<Item = (FileKind, &OutputFile)> {
        let outputs = self.files.iter().map(|file| (FileKind::Output, file));
        let logs = self.logs.iter().map(|file| (FileKind::Log, file));
        let artifacts = self.artifacts.iter().map(|file| (FileKind::Artifact, file));
        outputs.chain(logs).chain(artifacts)
    }
}

mod record {
    //! The JSON form of a file: one flat object.

    use super::{Delivery, FileState, OutputFile, OutputPath, Sha256Digest};

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Collected,
        Failed,
        Skipped,
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct FileRecord {
        #[serde(flatten)]
        path: OutputPath,
        bytes: Option<u64>,
        sha256: Option<Sha256Digest>,
        state: State,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deliveries: Vec<Delivery>,
    }

    impl From<OutputFile> for FileRecord {
        fn from(file: OutputFile) -> Self {
            let (state, content, reason) = match file.state {
                FileState::Collected { bytes, sha256 } => {
                    (State::Collected, Some((bytes, sha256)), None)
                }
                FileState::Failed { reason } => (State::Failed, None, Some(reason)),
                FileState::Skipped { reason } => (State::Skipped, None, Some(reason)),
            };
            let (bytes, sha256) = content.unzip();
            let (path, deliveries) = (file.path, file.deliveries);
            Self { path, bytes, sha256, state, reason, deliveries }
        }
    }

    impl TryFrom<FileRecord> for OutputFile {
        type Error = &'static str;

        fn try_from(record: FileRecord) -> Result<Self, &'static str> {
            let reason = record.reason.unwrap_or_default();
            let state = match (record.state, record.bytes, record.sha256) {
                (State::Collected, Some(bytes), Some(sha256)) => {
                    FileState::Collected { bytes, sha256 }
                }
                (State::Collected, ..) => return Err("a collected file has `bytes` and `sha256`"),
                (State::Failed, ..) => FileState::Failed { reason },
                (State::Skipped, ..) => FileState::Skipped { reason },
            };
            Ok(Self { path: record.path, state, deliveries: record.deliveries })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeliveryState;

    #[track_caller]
    fn check(path: &[u8], state: FileState, expected: &str) {
        let file = OutputFile::new(OutputPath::new(path).unwrap(), state);
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<OutputFile>(&text).unwrap(), file);
    }

    #[test]
    fn json_form() {
        let sha256 = Sha256Digest::from_bytes([0xab; 32]);
        check(
            b"a/b.bin",
            FileState::Collected { bytes: 3, sha256 },
            &format!(
                r#"{{"path":"a/b.bin","bytes":3,"sha256":"{}","state":"collected"}}"#,
                "ab".repeat(32)
            ),
        );
        check(
            b"100%\xff",
            FileState::Skipped { reason: "a symbolic link".into() },
            concat!(
                r#"{"path":"100%25%FF","path_encoding":"percent","bytes":null,"sha256":null,"#,
                r#""state":"skipped","reason":"a symbolic link"}"#,
            ),
        );
    }

    #[test]
    fn deliveries() {
        let path = OutputPath::new(*b"a").unwrap();
        let state = FileState::Collected { bytes: 3, sha256: Sha256Digest::from_bytes([1; 32]) };
        let failed = DeliveryState::Failed { reason: "403".into() };
        let deliveries = vec![
            Delivery { sink: "/backup".into(), state: DeliveryState::Delivered },
            Delivery { sink: "s3://b/c".into(), state: failed },
        ];
        let file = OutputFile { path, state, deliveries };
        let text = serde_json::to_string(&file).unwrap();
        let end = concat!(
            r#""state":"collected","deliveries":[{"sink":"/backup","state":"delivered"},"#,
            r#"{"sink":"s3://b/c","state":"failed","reason":"403"}]}"#,
        );
        assert!(text.ends_with(end), "{text}");
        assert_eq!(serde_json::from_str::<OutputFile>(&text).unwrap(), file);
        assert!(!file.is_safe());
        let (run_id, files) = (RunId::from_bytes([7; 16]), vec![file]);
        let manifest = Manifest { run_id, files, logs: Vec::new(), artifacts: Vec::new() };
        assert_eq!((manifest.uncollected(), manifest.undelivered()), (0, 1));
    }
}
