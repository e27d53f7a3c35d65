//! Volumes: the inputs of a job, and where its outputs go.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place;
use crate::{HttpUrl, RelativePath, Sha256Digest, SinkSpec, SinkSpecError, Upload};

/// A secret text: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// A secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The inputs of a run. Those of one path are put there one over the other, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputVolumes(Vec<MountedVolume>);

/// An input and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedVolume {
    /// Its path below `/volume`; `None` is that directory itself.
    pub path: Option<RelativePath>,
    /// What is put there.
    pub volume: InputVolume,
}

/// An input that is put at a path below `/volume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputVolume {
    /// The members of a zip file that is part of the spec.
    Inline(InlineZip),
    /// One file from a URL.
    File {
        /// The URL.
        url: HttpUrl,
        /// What its content must be.
        sha256: Option<Sha256Digest>,
    },
    /// The members of a zip file from a URL.
    Zip {
        /// The URL.
        url: HttpUrl,
        /// What the content of the zip file must be.
        sha256: Option<Sha256Digest>,
    },
    /// Files of a repository of the Hugging Face Hub.
    HuggingFace(HubRepository),
}

impl InputVolume {
    /// The members of a zip file, in base64.
    #[must_use]
    pub fn inline(base64: impl Into<String>) -> Self {
        Self::Inline(InlineZip::new(base64.into()))
    }

    /// One file from a URL.
    ///
    /// ```
    /// use chutes::spec::InputVolume;
    ///
    /// assert!(InputVolume::file("https://storage.test/data.bin").is_ok());
    /// assert!(InputVolume::file("file:///etc/passwd").is_err());
    /// ```
    pub fn file(url: &str) -> Result<Self, SinkSpecError> {
        Ok(Self::File { url: HttpUrl::new(url)?, sha256: None })
    }

    /// The members of a zip file from a URL.
    pub fn zip(url: &str) -> Result<Self, SinkSpecError> {
        Ok(Self::Zip { url: HttpUrl::new(url)?, sha256: None })
    }

    /// All files of a model of the Hugging Face Hub. For anything else, change the [`HubRepository`].
    ///
    /// ```
    /// use chutes::spec::{HubRepository, InputVolume, RepoType};
    ///
    /// let model = InputVolume::model("openai/whisper-tiny");
    /// let dataset = InputVolume::HuggingFace(HubRepository {
    ///     repo_type: RepoType::Dataset,
    ///     allow_patterns: vec!["*.parquet".to_owned()],
    ///     ..HubRepository::new("mozilla-foundation/common_voice_17_0")
    /// });
    /// assert_ne!(model, dataset);
    /// ```
    #[must_use]
    pub fn model(repo_id: impl Into<String>) -> Self {
        Self::HuggingFace(HubRepository::new(repo_id))
    }
}

/// A zip file in base64. That it is one is checked when it is unpacked.
#[derive(Clone, PartialEq, Eq)]
pub struct InlineZip(String);

impl InlineZip {
    /// A text in base64.
    #[must_use]
    pub const fn new(base64: String) -> Self {
        Self(base64)
    }

    /// The text.
    #[must_use]
    pub fn as_base64(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InlineZip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InlineZip({} characters)", self.0.len())
    }
}

/// Files of a repository of the Hugging Face Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRepository {
    /// The name, for instance `openai/whisper-tiny`.
    pub repo_id: String,
    /// What kind of repository it is. Default a model.
    pub repo_type: RepoType,
    /// The branch, tag or commit; `None` is `main`.
    pub revision: Option<String>,
    /// Which files, by patterns like `*.json`; empty is all.
    pub allow_patterns: Vec<String>,
    /// What lets us read it; `None` is that of the environment (`HF_TOKEN`), if it has one.
    pub token: Option<SecretText>,
}

impl HubRepository {
    /// All files of a model.
    #[must_use]
    pub fn new(repo_id: impl Into<String>) -> Self {
        Self {
            repo_id: repo_id.into(),
            repo_type: RepoType::default(),
            revision: None,
            allow_patterns: Vec::new(),
            token: None,
        }
    }
}

/// A kind of repository of the Hugging Face Hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepoType {
    /// A model.
    #[default]
    Model,
    /// A dataset.
    Dataset,
    /// A space.
    Space,
}

impl RepoType {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
        }
    }
}

impl InputVolumes {
    /// These inputs. Those of one place come one after the other, as in JSON, where the place is first.
    #[must_use]
    pub fn new(volumes: Vec<MountedVolume>) -> Self {
        Self(place::grouped(volumes, |volume| volume.path.clone()))
    }

    /// The inputs, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, MountedVolume> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a InputVolumes {
    type Item = &'a MountedVolume;
    type IntoIter = std::slice::Iter<'a, MountedVolume>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl MountedVolume {
    /// The place as it is shown: `/volume` or a path below it.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.path {
            None => "/volume".to_owned(),
            Some(path) => format!("/volume/{path}"),
        }
    }
}

/// Where files below `/output` go when the job has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputVolumes {
    /// Single files, each to its URL. A file may go to several.
    pub files: Vec<(RelativePath, Upload)>,
    /// Everything that is not one of [`files`](Self::files), with `stdout.txt` and `stderr.txt`, as one
    /// zip file.
    pub system_output: Option<Upload>,
}

impl OutputVolumes {
    /// Whether nothing goes anywhere.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty() && self.system_output.is_none()
    }

    /// The same as places to deliver to.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkSpec> {
        let files = (!self.files.is_empty()).then(|| SinkSpec::files(self.files.clone()));
        let paths = || self.files.iter().map(|(path, _)| path.clone()).collect();
        let zip = self.system_output.clone().map(|to| SinkSpec::system_output(to, paths()));
        files.into_iter().chain(zip).collect()
    }
}
