//! From a request to JSON, with keys and defaults as the SDK sends them.

use chutes_core::{
    ContainerPath, ExecutorClass, InputVolume, MountedVolume, RelativePath, RepoType, SecretPairs,
    SecretText, Upload, UploadMethod,
};
use serde_json::{Map, Value, json};

use crate::{JobRequest, OutputUpload};

impl JobRequest {
    /// The body of a request, compact, with its secrets. What it says is what [`JobRequest::from_json`]
    /// reads from it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut body = json!({
            "target_validator_hotkey": self.target_validator_hotkey,
            "executor_class": self.executor_class.as_ref().map(ExecutorClass::as_str),
            "docker_image": self.docker_image,
            "job_namespace": self.job_namespace,
            "args": self.args,
            "env": pairs(&self.env),
            "use_gpu": self.use_gpu,
            "artifacts_dir": self.artifacts_dir.as_ref().map(ContainerPath::as_str),
            "on_trusted_miner": self.on_trusted_miner,
            "download_time_limit": self.download_time_limit,
            "execution_time_limit": self.execution_time_limit,
            "streaming_start_time_limit": self.streaming_start_time_limit,
            "upload_time_limit": self.upload_time_limit,
        });
        if let Some(details) = &self.streaming_details {
            let mut fields = json!({ "public_key": details.public_key });
            if let Some(address) = &details.executor_ip {
                fields["executor_ip"] = json!(address);
            }
            body["streaming_details"] = fields;
        }
        if let Some(volumes) = &self.volumes {
            body["volumes"] = volumes.iter().map(volume).collect();
        }
        if let Some(uploads) = &self.uploads {
            body["uploads"] = uploads.iter().map(upload).collect();
        }
        if let Some(tag) = &self.tag {
            body["tag"] = json!(tag);
        }
        body.to_string()
    }
}

fn volume(mounted: &MountedVolume) -> Value {
    let relative_path = mounted.path.as_ref().map(RelativePath::as_str);
    match &mounted.volume {
        InputVolume::Inline(zip) => json!({
            "volume_type": "inline",
            "contents": zip.as_base64(),
            "relative_path": relative_path,
        }),
        InputVolume::File { url, .. } => json!({
            "volume_type": "single_file",
            "url": url.reveal(),
            "relative_path": relative_path,
        }),
        InputVolume::Zip { url, .. } => json!({
            "volume_type": "zip_url",
            "contents": url.reveal(),
            "relative_path": relative_path,
        }),
        InputVolume::HuggingFace(repository) => {
            let repo_type = repository.repo_type;
            let patterns = &repository.allow_patterns;
            json!({
                "volume_type": "huggingface_volume",
                "repo_id": repository.repo_id,
                "repo_type": (repo_type != RepoType::default()).then(|| repo_type.as_str()),
                "revision": repository.revision,
                "relative_path": relative_path,
                "allow_patterns": (!patterns.is_empty()).then_some(patterns),
                "token": repository.token.as_ref().map(SecretText::reveal),
            })
        }
    }
}

fn upload(upload: &OutputUpload) -> Value {
    match upload {
        OutputUpload::File { relative_path, to } => {
            let mut fields = fields(to, "single_file_put", "single_file_post");
            fields.insert("relative_path".to_owned(), json!(relative_path.as_str()));
            fields.insert("signed_headers".to_owned(), pairs_or_null(to.headers()));
            Value::Object(fields)
        }
        OutputUpload::Zip(to) => Value::Object(fields(to, "zip_and_http_put", "zip_and_http_post")),
    }
}

fn fields(to: &Upload, put: &str, post: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut insert = |key: &str, value| fields.insert(key.to_owned(), value);
    let kind = if *to.method() == UploadMethod::Put { put } else { post };
    insert("output_upload_type", json!(kind));
    insert("url", json!(to.url().reveal()));
    if let UploadMethod::Post { fields: form } = to.method() {
        insert("form_fields", pairs_or_null(form));
    }
    fields
}

fn pairs_or_null(given: &SecretPairs) -> Value {
    if given.reveal().is_empty() { Value::Null } else { pairs(given) }
}

fn pairs(pairs: &SecretPairs) -> Value {
    let pairs = pairs.reveal().iter();
    Value::Object(pairs.map(|(name, value)| (name.clone(), json!(value))).collect())
}
