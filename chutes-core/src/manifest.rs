//! What became of the output files of a run.

use std::fmt;
use std::str::FromStr;

use crate::{RunId, hex};

/// A SHA-256 checksum, shown as 64 lowercase hexadecimal digits, as `sha256sum` does.
///
/// ```
/// use chutes_core::Sha256Digest;
///
/// let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// let empty: Sha256Digest = text.parse()?;
/// assert_eq!(empty.as_bytes()[0], 0xe3);
/// assert_eq!(Sha256Digest::from_bytes(*empty.as_bytes()).to_string(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// A digest of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads 64 hexadecimal digits, lowercase or uppercase.
impl FromStr for Sha256Digest {
    type Err = Sha256DigestError;

    fn from_str(text: &str) -> Result<Self, Sha256DigestError> {
        hex::read(text.chars()).map(Self).ok_or(Sha256DigestError)
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = Sha256DigestError;

    fn try_from(text: String) -> Result<Self, Sha256DigestError> {
        text.parse()
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Sha256Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// A text that is not 64 hexadecimal digits.
///
/// ```
/// let error = "e3b0".parse::<chutes_core::Sha256Digest>().unwrap_err();
/// assert_eq!(error.to_string(), "a SHA-256 checksum is 64 hexadecimal digits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sha256DigestError;

impl fmt::Display for Sha256DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 checksum is 64 hexadecimal digits")
    }
}

impl std::error::Error for Sha256DigestError {}

/// What became of one file.
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
    /// use chutes_core::{FileState, Sha256Digest};
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

/// One entry below the output directory. In JSON one flat object: `path`, `bytes`, `sha256`, `state`,
/// and a `reason` unless the file was collected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "record::FileRecord"))]
#[cfg_attr(feature = "serde", serde(try_from = "record::FileRecord"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutputFile {
    /// The path below the output directory, with `/` between its parts; `.` is that directory.
    pub path: String,
    /// What became of it.
    pub state: FileState,
}

/// What became of all output files of a run, sorted by path: the content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manifest {
    /// The run.
    pub run_id: RunId,
    /// The files.
    pub files: Vec<OutputFile>,
}

impl Manifest {
    /// How many files should have been collected and were not.
    ///
    /// ```
    /// use chutes_core::{FileState, Manifest, OutputFile, RunId};
    ///
    /// let state = FileState::Failed { reason: "it was changed while it was read".into() };
    /// let lost = OutputFile { path: "logs/train.log".into(), state };
    /// let state = FileState::Skipped { reason: "not a regular file".into() };
    /// let pipe = OutputFile { path: "pipe".into(), state };
    /// let manifest = Manifest { run_id: RunId::from_bytes([7; 16]), files: vec![lost, pipe] };
    /// assert_eq!(manifest.failed(), 1);
    /// ```
    #[must_use]
    pub fn failed(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.state, FileState::Failed { .. })).count()
    }
}

#[cfg(feature = "serde")]
mod record {
    //! The JSON form of a file: one flat object.

    use super::{FileState, OutputFile, Sha256Digest};

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    enum State {
        Collected,
        Failed,
        Skipped,
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub(super) struct FileRecord {
        path: String,
        bytes: Option<u64>,
        sha256: Option<Sha256Digest>,
        state: State,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }

    impl From<OutputFile> for FileRecord {
        fn from(file: OutputFile) -> Self {
            let path = file.path;
            match file.state {
                FileState::Collected { bytes, sha256 } => Self {
                    path,
                    bytes: Some(bytes),
                    sha256: Some(sha256),
                    state: State::Collected,
                    reason: None,
                },
                FileState::Failed { reason } => Self::without_content(path, State::Failed, reason),
                FileState::Skipped { reason } => {
                    Self::without_content(path, State::Skipped, reason)
                }
            }
        }
    }

    impl FileRecord {
        fn without_content(path: String, state: State, reason: String) -> Self {
            Self { path, bytes: None, sha256: None, state, reason: Some(reason) }
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
            Ok(Self { path: record.path, state })
        }
    }
}

#[cfg(test)]
#[cfg(feature = "serde")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(state: FileState, expected: &str) {
        let file = OutputFile { path: "a/b.bin".into(), state };
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<OutputFile>(&text).unwrap(), file);
    }

    #[test]
    fn json_form() {
        let sha256 = Sha256Digest::from_bytes([0xab; 32]);
        check(
            FileState::Collected { bytes: 3, sha256 },
            &format!(
                r#"{{"path":"a/b.bin","bytes":3,"sha256":"{}","state":"collected"}}"#,
                "ab".repeat(32)
            ),
        );
        check(
            FileState::Skipped { reason: "a symbolic link".into() },
            r#"{"path":"a/b.bin","bytes":null,"sha256":null,"state":"skipped","reason":"a symbolic link"}"#,
        );
    }

    #[test]
    fn digests() {
        let good = "0f".repeat(32);
        assert_eq!(good.parse::<Sha256Digest>().unwrap().to_string(), good);
        for bad in ["", "0f", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
        }
    }
}
