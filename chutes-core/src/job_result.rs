//! The files and texts that are returned with the result of a job.

mod record;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ContainerPath, RelativePath, rule};

/// What is returned with the result of a job: the text that it printed, small files, and the answers of servers.
///
/// In JSON `stdout`, `stderr`, `artifacts` (paths and base64), `upload_results` (files and texts, each of which
/// is JSON again: `{"headers": {…}, "body": "…"}`), and `artifacts_left_out`, when there are any.
///
/// ```
/// use chutes::manifest::RelativePath;
/// use chutes::outcome::JobResult;
/// use chutes::spec::ContainerPath;
///
/// let (directory, file) = (ContainerPath::new("/artifacts")?, RelativePath::new("loss.json")?);
/// let mut result = JobResult::default();
/// result.add_artifact(&directory, &file, b"[1]".to_vec());
/// result.add_artifact(&directory, &RelativePath::new("model.bin")?, vec![0; 1_000_000]);
/// assert_eq!(result.artifacts["/artifacts/loss.json"], b"[1]");
/// assert_eq!(result.artifacts_left_out[0].path, "/artifacts/model.bin");
/// let json = chutes::data::Json::from_value(&result)?;
/// assert!(json.as_str().contains(r#""artifacts":{"/artifacts/loss.json":"WzFd"}"#));
/// assert_eq!(json.to::<JobResult>()?, result);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobResult {
    /// The text that it wrote to its standard output, as far as it was kept.
    #[serde(default)]
    pub stdout: String,
    /// The text that it wrote to its standard error, as far as it was kept.
    #[serde(default)]
    pub stderr: String,
    /// Small files, each at its path as the job sees it.
    #[serde(default, with = "record::artifacts")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub artifacts: BTreeMap<String, Vec<u8>>,
    /// Artifacts that are not here. They are in the directory of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts_left_out: Vec<LeftOutArtifact>,
    /// The answers of servers, by the path of the file below `/output`, or `system_output`.
    #[serde(default, with = "record::uploads")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub upload_results: BTreeMap<String, UploadResult>,
}

/// An artifact that is not returned with the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutArtifact {
    /// Its path as the job sees it.
    pub path: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Why it is not: a lowercase fragment.
    pub reason: String,
}

/// What a server answered to an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadResult {
    /// The headers, with names in lower case. Values of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

impl JobResult {
    /// The path of an artifact, as the job sees it.
    #[must_use]
    pub fn artifact_path(directory: &ContainerPath, file: &RelativePath) -> String {
        format!("{}/{}", directory.as_str(), file.as_str())
    }

    /// Adds an artifact, or lists it when it is too large, see
    /// [`is_artifact_size`](rule::is_artifact_size).
    pub fn add_artifact(&mut self, directory: &ContainerPath, file: &RelativePath, bytes: Vec<u8>) {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if rule::is_artifact_size(size) {
            self.artifacts.insert(Self::artifact_path(directory, file), bytes);
        } else {
            let reason = "it has 1,000,000 bytes or more".to_owned();
            self.leave_out(directory, file, size, reason);
        }
    }

    /// Lists an artifact that is not returned.
    pub fn leave_out(
        &mut self,
        directory: &ContainerPath,
        file: &RelativePath,
        size: u64,
        reason: String,
    ) {
        let path = Self::artifact_path(directory, file);
        self.artifacts_left_out.push(LeftOutArtifact { path, size, reason });
    }
}

impl From<&crate::UploadResponse> for UploadResult {
    fn from(response: &crate::UploadResponse) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &response.headers {
            headers
                .entry(name.to_lowercase())
                .and_modify(|values| {
                    values.push_str(", ");
                    values.push_str(value);
                })
                .or_insert_with(|| value.clone());
        }
        Self { headers, body: response.body.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_below_the_limit_are_returned_and_the_others_are_listed() {
        let directory = ContainerPath::new("/artifacts/").unwrap();
        for (size, expected) in [(0, true), (1, true), (999_999, true), (1_000_000, false)] {
            let mut result = JobResult::default();
            let file = RelativePath::new("a b/ü.bin").unwrap();
            result.add_artifact(&directory, &file, vec![7; size]);
            assert_eq!(result.artifacts.contains_key("/artifacts/a b/ü.bin"), expected, "{size}");
            let listed: Vec<_> = result.artifacts_left_out.iter().map(|left| left.size).collect();
            let expected = if expected { vec![] } else { vec![size as u64] };
            assert_eq!(listed, expected);
        }
    }

    #[test]
    fn json_is_that_of_the_api() {
        let response = crate::UploadResponse {
            file: "a".to_owned(),
            status: 200,
            headers: [("ETag", "1"), ("x", "a"), ("X", "b")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            body: "ok\"".to_owned(),
        };
        let result = JobResult {
            stdout: "hello".to_owned(),
            artifacts: BTreeMap::from([("/a/x".to_owned(), vec![0, 255])]),
            upload_results: BTreeMap::from([("a".to_owned(), UploadResult::from(&response))]),
            ..JobResult::default()
        };
        let expected = serde_json::json!({
            "stdout": "hello",
            "stderr": "",
            "artifacts": { "/a/x": "AP8=" },
            "upload_results": { "a": r#"{"headers":{"etag":"1","x":"a, b"},"body":"ok\""}"# },
        });
        assert_eq!(serde_json::to_value(&result).unwrap(), expected);
        assert_eq!(serde_json::from_value::<JobResult>(expected).unwrap(), result);
    }

    #[test]
    fn broken_parts_are_refused() {
        for text in [
            r#"{"artifacts": {"/a/x": "AP8"}}"#,
            r#"{"artifacts": {"/a/x": 1}}"#,
            r#"{"upload_results": {"a": "no JSON"}}"#,
        ] {
            assert!(serde_json::from_str::<JobResult>(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn all_bytes_come_back(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let artifacts = BTreeMap::from([("/a/x".to_owned(), bytes)]);
            let result = JobResult { artifacts, ..JobResult::default() };
            let text = serde_json::to_string(&result).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<JobResult>(&text).unwrap(), result);
        }
    }
}
