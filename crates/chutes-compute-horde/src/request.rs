//! A request as the wire form has it.

use chutes_core::{
    ContainerPath, ExecutorClass, ImageName, MountedVolume, RelativePath, SecretPairs, Upload,
};

/// A job as `POST /api/v1/job-docker/` of the ComputeHorde API takes it.
///
/// Its parts are checked when it is read; what they have to do with each other, when it becomes a
/// [`JobSpec`](chutes_core::JobSpec). Volumes and uploads in a `multi_volume` or `multi_upload` stand in the list
/// themselves, which means the same. For what was signed, see [`signed_fields`](crate::signed_fields), which goes by the text.
///
/// ```
/// use chutes_compute_horde::JobRequest;
/// use chutes_core::JobSpec;
///
/// let body = r#"{
///     "target_validator_hotkey": "5Grw", "executor_class": "always_on.test",
///     "docker_image": "alpine:3.19", "args": ["true"], "use_gpu": true,
///     "download_time_limit": 10, "execution_time_limit": 20, "upload_time_limit": 30,
///     "volumes": [{"volume_type": "single_file", "url": "https://e.test/x", "relative_path": "x"}]
/// }"#;
/// let request = JobRequest::from_json(body)?;
/// let spec = JobSpec::try_from(&request)?;
/// assert_eq!(spec.input_volumes.iter().next().unwrap().place(), "/volume/x");
/// # Ok::<(), chutes_core::SpecErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// The key of the validator that is to route it. It has no meaning here.
    pub target_validator_hotkey: String,
    /// The class of machine; `None` is whatever machine there is.
    pub executor_class: Option<ExecutorClass>,
    /// The image.
    pub docker_image: ImageName,
    /// The account of the job.
    pub job_namespace: Option<String>,
    /// The arguments after the entry point of the image.
    pub args: Vec<String>,
    /// The variables of its environment.
    pub env: SecretPairs,
    /// Always `true` from the SDK, and without meaning: the class says whether there is a GPU.
    pub use_gpu: bool,
    /// Where the job puts small files that are returned with the result.
    pub artifacts_dir: Option<ContainerPath>,
    /// Whether it may only run where the result can be trusted.
    pub on_trusted_miner: bool,
    /// For all volumes, in seconds.
    pub download_time_limit: u64,
    /// For the job itself, in seconds.
    pub execution_time_limit: u64,
    /// Until a job that streams accepts its first connection, in seconds. Default 5.
    pub streaming_start_time_limit: u64,
    /// For the uploads, in seconds.
    pub upload_time_limit: u64,
    /// Whether it serves requests while it runs, and to whom.
    pub streaming_details: Option<StreamingDetails>,
    /// The inputs; `None` when there is no such key.
    pub volumes: Option<Vec<MountedVolume>>,
    /// Where outputs go; `None` when there is no such key.
    pub uploads: Option<Vec<OutputUpload>>,
    /// A label that the caller chose.
    pub tag: Option<String>,
}

/// The client of a job that streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamingDetails {
    /// The certificate (PEM) of the client, in spite of the name.
    pub public_key: String,
    /// Filled in on the way to the job.
    pub executor_ip: Option<String>,
}

/// Where outputs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputUpload {
    /// One file: `single_file_put` or `single_file_post`.
    File {
        /// The file, below `/output`.
        relative_path: RelativePath,
        /// Where to.
        to: Upload,
    },
    /// All others as one zip file: `zip_and_http_put` or `zip_and_http_post`.
    Zip(Upload),
}
