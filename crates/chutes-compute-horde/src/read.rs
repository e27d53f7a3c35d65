//! From JSON to a request.

use chutes_core::reader::{Fields, Located, Problems, check_duplicates};
use chutes_core::{
    ContainerPath, ExecutorClass, ImageName, InputVolume, MountedVolume, SecretPairs, SpecErrors,
};
use serde_json::Value;

use crate::{JobRequest, OutputUpload, StreamingDetails};

/// All keys of a request.
const KEYS: [&str; 17] = [
    "target_validator_hotkey",
    "executor_class",
    "docker_image",
    "job_namespace",
    "args",
    "env",
    "use_gpu",
    "artifacts_dir",
    "on_trusted_miner",
    "download_time_limit",
    "execution_time_limit",
    "streaming_start_time_limit",
    "upload_time_limit",
    "streaming_details",
    "volumes",
    "uploads",
    "tag",
];

/// The default of the SDK, in seconds.
const STREAMING_START: u64 = 5;

/// The names of limits in `ComputeHordeJobSpec` of the SDK, and in the wire form, with the same meaning.
const SDK_LIMITS: [(&str, &str); 4] = [
    ("download_time_limit_sec", "download_time_limit"),
    ("execution_time_limit_sec", "execution_time_limit"),
    ("upload_time_limit_sec", "upload_time_limit"),
    ("streaming_start_time_limit_sec", "streaming_start_time_limit"),
];

/// The names of fields of the SDK that the wire form writes in another way, and how.
const SDK_FIELDS: [(&str, &str); 3] = [
    (
        "input_volumes",
        "the wire form has a list `volumes`, of which each has a `volume_type` and a `relative_path`",
    ),
    (
        "output_volumes",
        "the wire form has a list `uploads`, of which each has an `output_upload_type`",
    ),
    (
        "streaming",
        "the wire form has `streaming_details`, with the certificate of the client as `public_key`",
    ),
];

/// The kinds of volumes, each with its keys.
const VOLUMES: [(&str, &[&str]); 5] = [
    ("inline", &["volume_type", "contents", "relative_path"]),
    ("zip_url", &["volume_type", "contents", "relative_path"]),
    ("single_file", &["volume_type", "url", "relative_path"]),
    (
        "huggingface_volume",
        &[
            "volume_type",
            "repo_id",
            "repo_type",
            "revision",
            "relative_path",
            "allow_patterns",
            "token",
        ],
    ),
    ("multi_volume", &["volume_type", "volumes"]),
];

/// The kinds of uploads, each with its keys.
const UPLOADS: [(&str, &[&str]); 5] = [
    ("single_file_put", &["output_upload_type", "url", "relative_path", "signed_headers"]),
    (
        "single_file_post",
        &["output_upload_type", "url", "form_fields", "relative_path", "signed_headers"],
    ),
    ("zip_and_http_put", &["output_upload_type", "url"]),
    ("zip_and_http_post", &["output_upload_type", "url", "form_fields"]),
    ("multi_upload", &["output_upload_type", "uploads", "system_output"]),
];

impl JobRequest {
    /// Reads the body of a request, and reports everything that is wrong with its parts.
    pub fn from_json(text: &str) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        check_duplicates(text, None, &mut problems);
        let mut root = Located::root(text)?;
        use_wire_names(&mut root, &mut problems);
        let fields = root.object(&KEYS, &mut problems);
        let request = fields.and_then(|fields| request(fields, &mut problems));
        problems.finish(request)
    }
}

/// Reads what the SDK calls by another name, and says what is meant where its value has another form.
fn use_wire_names(root: &mut Located, problems: &mut Problems) {
    let Value::Object(map) = &mut root.value else { return };
    for (of_sdk, name) in SDK_LIMITS {
        let Some(value) = map.remove(of_sdk) else { continue };
        if map.contains_key(name) {
            problems.add(format!("$.{of_sdk}"), format!("`{name}` is given, too"));
        } else {
            map.insert(name.to_owned(), value);
        }
    }
    for (of_sdk, instead) in SDK_FIELDS {
        if map.remove(of_sdk).is_some() {
            problems.add(format!("$.{of_sdk}"), instead);
        }
    }
}

fn request(mut fields: Fields, problems: &mut Problems) -> Option<JobRequest> {
    let fields = &mut fields;
    let image = fields.required("docker_image", "the image to run", problems);
    let image = image.and_then(|image| image.parsed(problems, ImageName::new));
    let limits = limits(fields, problems);
    Some(JobRequest {
        target_validator_hotkey: fields
            .text("target_validator_hotkey", problems)
            .unwrap_or_default(),
        executor_class: filled(fields, "executor_class")
            .and_then(|class| class.parsed(problems, ExecutorClass::new)),
        job_namespace: filled(fields, "job_namespace").and_then(|name| name.text(problems)),
        args: fields.take("args").and_then(|args| args.texts(problems)).unwrap_or_default(),
        env: SecretPairs::new(
            fields.take("env").and_then(|env| env.pairs(problems)).unwrap_or_default(),
        ),
        use_gpu: flag(fields, "use_gpu", problems),
        artifacts_dir: filled(fields, "artifacts_dir")
            .and_then(|path| path.parsed(problems, ContainerPath::new)),
        on_trusted_miner: flag(fields, "on_trusted_miner", problems),
        streaming_details: fields
            .take("streaming_details")
            .and_then(|details| streaming(details, problems)),
        volumes: fields.take("volumes").map(|list| all_volumes(list, problems)),
        uploads: fields.take("uploads").map(|list| all_uploads(list, problems)),
        tag: fields.text("tag", problems),
        // What a request cannot do without stands last, so that all else has been read.
        docker_image: image?,
        download_time_limit: limits[0]?,
        execution_time_limit: limits[1]?,
        upload_time_limit: limits[2]?,
        streaming_start_time_limit: limits[3]?,
    })
}

/// The limits for download, execution, upload, and the start of streaming.
fn limits(fields: &mut Fields, problems: &mut Problems) -> [Option<u64>; 4] {
    let required = ["download_time_limit", "execution_time_limit", "upload_time_limit"];
    let [download, execution, upload] =
        required.map(|key| fields.required(key, "a limit in seconds", problems)?.count(problems));
    let streaming_start = match fields.take("streaming_start_time_limit") {
        None => Some(STREAMING_START),
        Some(limit) => limit.count(problems),
    };
    [download, execution, upload, streaming_start]
}

/// The value of a key, unless it is an empty text, which the official service stores for none.
fn filled(fields: &mut Fields, key: &str) -> Option<Located> {
    fields.take(key).filter(|at| at.value != "")
}

fn flag(fields: &mut Fields, key: &str, problems: &mut Problems) -> bool {
    fields.take(key).and_then(|flag| flag.boolean(problems)).unwrap_or_default()
}

fn streaming(details: Located, problems: &mut Problems) -> Option<StreamingDetails> {
    let mut fields = details.object(&["public_key", "executor_ip"], problems)?;
    let executor_ip = fields.text("executor_ip", problems);
    let public_key = fields.required("public_key", "the certificate of the client", problems)?;
    Some(StreamingDetails { public_key: public_key.text(problems)?, executor_ip })
}

/// The object of a list, and which of these kinds it is.
fn of_kind<const N: usize>(
    at: Located,
    key: &str,
    kinds: &[(&'static str, &'static [&'static str]); N],
    problems: &mut Problems,
) -> Option<(&'static str, Fields)> {
    let Value::Object(map) = at.value else { return at.wrong("an object", problems) };
    let mut fields = Fields::new(&at.path, map);
    let by_name = kinds.map(|(name, keys)| (name, (name, keys)));
    let (kind, keys) = fields.one_of(key, &by_name, problems)?;
    fields.check_keys(keys, problems);
    Some((kind, fields))
}

fn all_volumes(list: Located, problems: &mut Problems) -> Vec<MountedVolume> {
    let mut volumes = Vec::new();
    for at in list.list(problems).unwrap_or_default() {
        let Some((kind, mut fields)) = of_kind(at, "volume_type", &VOLUMES, problems) else {
            continue;
        };
        if kind == "multi_volume" {
            let inner = fields.required("volumes", "a list of volumes", problems);
            volumes.extend(inner.map(|list| all_volumes(list, problems)).unwrap_or_default());
        } else {
            volumes.extend(volume(kind, &mut fields, problems));
        }
    }
    volumes
}

fn volume(kind: &str, fields: &mut Fields, problems: &mut Problems) -> Option<MountedVolume> {
    let has_path = fields.has("relative_path");
    let path = fields.relative_path("relative_path", problems);
    let volume = match kind {
        "inline" => {
            let contents = fields.required("contents", "a zip file in base64", problems)?;
            InputVolume::inline(contents.text(problems)?)
        }
        "zip_url" => InputVolume::Zip { url: fields.url("contents", problems)?, sha256: None },
        "huggingface_volume" => InputVolume::HuggingFace(fields.hub_repository(problems)?),
        _ => InputVolume::File { url: fields.url("url", problems)?, sha256: None },
    };
    // One with a wrong path would otherwise be put somewhere else.
    (path.is_some() || !has_path).then_some(MountedVolume { path, volume })
}

fn all_uploads(list: Located, problems: &mut Problems) -> Vec<OutputUpload> {
    let mut uploads = Vec::new();
    for at in list.list(problems).unwrap_or_default() {
        upload(at, &mut uploads, problems);
    }
    uploads
}

fn upload(at: Located, uploads: &mut Vec<OutputUpload>, problems: &mut Problems) {
    let Some((kind, mut fields)) = of_kind(at, "output_upload_type", &UPLOADS, problems) else {
        return;
    };
    if kind == "multi_upload" {
        if let Some(list) = fields.required("uploads", "a list of uploads", problems) {
            uploads.extend(all_uploads(list, problems));
        }
        if let Some(zip) = fields.take("system_output") {
            system_output(zip, uploads, problems);
        }
        return;
    }
    let is_post = matches!(kind, "single_file_post" | "zip_and_http_post");
    let to = fields.upload(is_post, problems);
    if matches!(kind, "zip_and_http_put" | "zip_and_http_post") {
        uploads.extend(to.map(OutputUpload::Zip));
        return;
    }
    if !fields.has("relative_path") {
        problems.add(fields.at("relative_path"), "missing: the path below `/output`");
    }
    let path = fields.relative_path("relative_path", problems);
    uploads
        .extend(path.zip(to).map(|(relative_path, to)| OutputUpload::File { relative_path, to }));
}

fn system_output(at: Located, uploads: &mut Vec<OutputUpload>, problems: &mut Problems) {
    let path = at.path.clone();
    let mut read = Vec::new();
    upload(at, &mut read, problems);
    if read.iter().all(|upload| matches!(upload, OutputUpload::Zip(_))) {
        uploads.extend(read);
    } else {
        problems.add(path, "it is `zip_and_http_put` or `zip_and_http_post`");
    }
}
