//! Conversions between requests and specs.

use std::time::Duration;

use chutes_core::reader::{Problems, element, member};
use chutes_core::{
    InputVolume, JobSpec, JobSpecBuilder, Limits, MountedVolume, OutputVolumes, Resources,
    SpecErrors, SpecRules, Streaming, Work,
};

use crate::{JobRequest, OutputUpload, StreamingDetails};

/// The paths of our own form that have another name in this one.
const PATHS: &[(&str, &str)] = &[
    ("$.namespace", "$.job_namespace"),
    ("$.limits.download", "$.download_time_limit"),
    ("$.limits.execute", "$.execution_time_limit"),
    ("$.limits.upload", "$.upload_time_limit"),
    ("$.limits.streaming_start", "$.streaming_start_time_limit"),
    ("$.streaming.client_certificate", "$.streaming_details.public_key"),
];

/// Between asking a job to stop and stopping it by force: the API has no limit for it.
const GRACE: Duration = Duration::from_secs(10);

/// The start limit is the default one. What only the ComputeHorde service needs is left out. Whether the class
/// exists is not checked, see [`JobRequest::to_spec`].
impl TryFrom<&JobRequest> for JobSpec {
    type Error = SpecErrors;

    fn try_from(request: &JobRequest) -> Result<Self, SpecErrors> {
        builder(request).build()
    }
}

fn builder(request: &JobRequest) -> JobSpecBuilder {
    let mut builder = JobSpec::builder(request.docker_image.clone())
        .paths(PATHS)
        .args(request.args.iter().cloned())
        .limits(|limits| *limits = self::limits(request));
    if let Some(class) = &request.executor_class {
        builder = builder.executor_class(class.as_str());
    }
    if let Some(namespace) = &request.job_namespace {
        builder = builder.namespace(namespace);
    }
    for (name, value) in request.env.reveal() {
        builder = builder.env(name, value);
    }
    if let Some(directory) = &request.artifacts_dir {
        builder = builder.artifacts_dir(directory.as_str());
    }
    for (index, volume) in request.volumes.iter().flatten().enumerate() {
        builder = builder.input_at(element("$.volumes", index), volume.clone());
    }
    for (index, upload) in request.uploads.iter().flatten().enumerate() {
        let (file, to) = match upload {
            OutputUpload::File { relative_path, to } => (Some(relative_path.clone()), to),
            OutputUpload::Zip(to) => (None, to),
        };
        builder = builder.output_at(element("$.uploads", index), file, to.clone());
    }
    if let Some(details) = &request.streaming_details {
        let client_certificate = Some(details.public_key.clone());
        builder = builder.streaming(Streaming { client_certificate, port: None });
    }
    builder
}

fn limits(request: &JobRequest) -> Limits {
    Limits {
        download: Duration::from_secs(request.download_time_limit),
        execute: Some(Duration::from_secs(request.execution_time_limit)),
        upload: Duration::from_secs(request.upload_time_limit),
        streaming_start: Duration::from_secs(request.streaming_start_time_limit),
        grace: GRACE,
        ..Limits::default()
    }
}

impl JobRequest {
    /// The spec of a request, by the rules of the component that runs it.
    ///
    /// # Errors
    ///
    /// With everything that is wrong with it, at the paths of this form.
    pub fn to_spec(&self, rules: SpecRules<'_>) -> Result<JobSpec, SpecErrors> {
        builder(self).build_with(rules)
    }

    /// The request for a spec, as the SDK would send it. The key of the validator is empty, and it may run
    /// anywhere. The start limit and the grace are not part of the form, and the service has its own.
    ///
    /// # Errors
    ///
    /// With all that the form cannot say, at the paths of our own form: a job, network, ports, SSH,
    /// resources, a checksum, no execution limit or one with a fraction of a second, streaming to every
    /// client, or from a port of another name.
    pub fn from_spec(spec: &JobSpec) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        let request = request(spec, &mut problems);
        problems.finish(request)
    }
}

/// The problem of a part that the form has no field for.
const NOT_THERE: &str = "the ComputeHorde form has nothing like it";

fn request(spec: &JobSpec, problems: &mut Problems) -> Option<JobRequest> {
    let work = match &spec.work {
        Work::Image { image, args, network, ports } => {
            if !ports.is_empty() {
                problems.add("$.ports", NOT_THERE);
            }
            if *network {
                problems.add("$.network", NOT_THERE);
            }
            Some((image, args))
        }
        Work::Job { .. } => {
            problems.add("$.job", "the ComputeHorde form runs images only");
            None
        }
    };
    if spec.resources != Resources::default() {
        problems.add("$.resources", NOT_THERE);
    }
    if !spec.publish.is_empty() {
        problems.add("$.publish", NOT_THERE);
    }
    if spec.ssh.is_some() {
        problems.add("$.ssh", NOT_THERE);
    }
    let limits = &spec.limits;
    let [download, upload, streaming_start] = [
        ("$.limits.download", limits.download),
        ("$.limits.upload", limits.upload),
        ("$.limits.streaming_start", limits.streaming_start),
    ]
    .map(|(path, limit)| whole_seconds(path, limit, problems));
    let execution = execution_limit(limits, problems);
    let volumes: Vec<_> = spec.input_volumes.iter().cloned().collect();
    for volume in &volumes {
        check_volume(volume, problems);
    }
    let uploads = uploads(&spec.output_volumes, problems);
    let streaming_details = spec.streaming.as_ref().map(|streaming| details(streaming, problems));
    let (image, args) = work?;
    Some(JobRequest {
        target_validator_hotkey: String::new(),
        executor_class: spec.executor_class.clone(),
        docker_image: image.clone(),
        job_namespace: spec.namespace.clone(),
        args: args.clone(),
        env: spec.env.clone(),
        use_gpu: true,
        artifacts_dir: spec.artifacts_dir.clone(),
        on_trusted_miner: false,
        download_time_limit: download,
        execution_time_limit: execution,
        streaming_start_time_limit: streaming_start,
        upload_time_limit: upload,
        streaming_details,
        volumes: (!volumes.is_empty()).then_some(volumes),
        uploads: (!uploads.is_empty()).then_some(uploads),
        tag: None,
    })
}

fn whole_seconds(path: &str, limit: Duration, problems: &mut Problems) -> u64 {
    if limit.subsec_nanos() > 0 {
        problems.add(path, "the ComputeHorde form has whole seconds only");
    }
    limit.as_secs()
}

fn execution_limit(limits: &Limits, problems: &mut Problems) -> u64 {
    let path = "$.limits.execute";
    if let Some(limit) = limits.execute {
        return whole_seconds(path, limit, problems);
    }
    problems.add(path, "missing: the ComputeHorde form needs a limit");
    0
}

fn check_volume(mounted: &MountedVolume, problems: &mut Problems) {
    if let InputVolume::File { sha256: Some(_), .. } | InputVolume::Zip { sha256: Some(_), .. } =
        &mounted.volume
    {
        let path = member(&member("$.input_volumes", &mounted.place()), "sha256");
        problems.add(path, NOT_THERE);
    }
}

fn uploads(outputs: &OutputVolumes, problems: &mut Problems) -> Vec<OutputUpload> {
    let files = outputs
        .files
        .iter()
        .map(|(path, to)| OutputUpload::File { relative_path: path.clone(), to: to.clone() });
    if outputs.system_output.as_ref().is_some_and(|to| !to.headers().reveal().is_empty()) {
        problems.add(r#"$.output_volumes["/output/"].signed_headers"#, NOT_THERE);
    }
    files.chain(outputs.system_output.clone().map(OutputUpload::Zip)).collect()
}

fn details(streaming: &Streaming, problems: &mut Problems) -> StreamingDetails {
    if streaming.client_certificate.is_none() {
        let path = "$.streaming.client_certificate";
        problems.add(path, "missing: the ComputeHorde form needs the certificate of the client");
    }
    if streaming.port.is_some() {
        problems.add("$.streaming.port", NOT_THERE);
    }
    let public_key = streaming.client_certificate.clone().unwrap_or_default();
    StreamingDetails { public_key, executor_ip: None }
}
