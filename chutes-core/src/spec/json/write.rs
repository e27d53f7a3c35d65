//! From a spec to JSON: complete, with its secrets, for private files only.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Number, Value, json};

use crate::spec::{
    ContainerPath, ExecutorClass, HubRepository, InputVolume, InputVolumes, JobSpec, OutputVolumes,
    RepoType, Resources, SshAccess, Streaming, Work,
};
use crate::{RelativePath, SecretPairs, Sha256Digest, Upload, UploadMethod};

impl Serialize for JobSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match &self.work {
            Work::Job { app, job, data } => {
                map.serialize_entry("job", job)?;
                map.serialize_entry("data", data)?;
                map.serialize_entry("limits", &self.limits)?;
                entry(&mut map, "app", app.as_ref())?;
            }
            Work::Image { image, args, network, ports } => {
                map.serialize_entry("image", image)?;
                entry(&mut map, "args", (!args.is_empty()).then_some(args))?;
                entry(&mut map, "network", network.then_some(network))?;
                entry(&mut map, "ports", (!ports.is_empty()).then_some(ports))?;
                map.serialize_entry("limits", &self.limits)?;
            }
        }
        let class = self.executor_class.as_ref().map(ExecutorClass::as_str);
        entry(&mut map, "executor_class", class)?;
        entry(&mut map, "namespace", self.namespace.as_ref())?;
        entry(&mut map, "resources", resources(&self.resources))?;
        let env = &self.env;
        entry(&mut map, "env", (!env.reveal().is_empty()).then(|| pairs(env)))?;
        let artifacts_dir = self.artifacts_dir.as_ref().map(ContainerPath::as_str);
        entry(&mut map, "artifacts_dir", artifacts_dir)?;
        entry(&mut map, "input_volumes", inputs(&self.input_volumes))?;
        entry(&mut map, "output_volumes", outputs(&self.output_volumes))?;
        let publish = &self.publish;
        entry(&mut map, "publish", (!publish.is_empty()).then_some(publish))?;
        entry(&mut map, "ssh", self.ssh.as_ref().map(ssh))?;
        entry(&mut map, "streaming", self.streaming.as_ref().map(streaming))?;
        map.end()
    }
}

/// A field, unless it is as if it were not there.
fn entry<M: SerializeMap>(
    map: &mut M,
    key: &'static str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

fn pairs(pairs: &SecretPairs) -> Value {
    let pairs = pairs.reveal().iter();
    Value::Object(pairs.map(|(name, value)| (name.clone(), json!(value))).collect())
}

fn resources(resources: &Resources) -> Option<Value> {
    let Resources { memory_bytes, cpu_millis, processes, shared_memory_bytes, gpu } = resources;
    let fields = [
        ("memory", memory_bytes.map(Value::from)),
        ("cpus", cpu_millis.map(cpus)),
        ("processes", processes.map(Value::from)),
        ("shared_memory", shared_memory_bytes.map(Value::from)),
        ("gpu", gpu.map(Value::from)),
    ];
    let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let given: Map<String, Value> = given.collect();
    (!given.is_empty()).then_some(Value::Object(given))
}

fn cpus(millis: u32) -> Value {
    if millis.is_multiple_of(1_000) {
        return Value::from(millis / 1_000);
    }
    Number::from_f64(f64::from(millis) / 1_000.0).map_or(Value::Null, Value::Number)
}

fn ssh(ssh: &SshAccess) -> Value {
    let SshAccess { public_keys, keep_alive } = ssh;
    let fields = [
        ("public_keys", (!public_keys.is_empty()).then(|| json!(public_keys))),
        ("keep_alive", keep_alive.then(|| json!(true))),
    ];
    true_or_fields(fields)
}

fn streaming(streaming: &Streaming) -> Value {
    let Streaming { client_certificate, port } = streaming;
    let fields = [
        ("client_certificate", client_certificate.as_ref().map(|pem| json!(pem))),
        ("port", port.as_ref().map(|port| json!(port))),
    ];
    true_or_fields(fields)
}

/// The fields that are there, or `true` when there is none.
fn true_or_fields(fields: [(&str, Option<Value>); 2]) -> Value {
    let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let given: Map<String, Value> = given.collect();
    if given.is_empty() { json!(true) } else { Value::Object(given) }
}

/// One value for each place, a list where there are several.
fn by_place(volumes: impl Iterator<Item = (String, Value)>) -> Option<Value> {
    let mut places: Map<String, Value> = Map::new();
    for (place, volume) in volumes {
        match places.get_mut(&place) {
            None => {
                places.insert(place, volume);
            }
            Some(Value::Array(several)) => several.push(volume),
            Some(one) => *one = Value::Array(vec![one.take(), volume]),
        }
    }
    (!places.is_empty()).then_some(Value::Object(places))
}

fn inputs(inputs: &InputVolumes) -> Option<Value> {
    let place = |path: Option<&str>| format!("/volume/{}", path.unwrap_or_default());
    let inputs = inputs.iter();
    by_place(inputs.map(|input| {
        let path = input.path.as_ref().map(RelativePath::as_str);
        (place(path), self::input(&input.volume))
    }))
}

fn input(volume: &InputVolume) -> Value {
    let http = |kind: &str, url: &str, sha256: &Option<Sha256Digest>| {
        let mut fields = json!({ "type": kind, "url": url });
        if let Some(sha256) = sha256 {
            fields["sha256"] = json!(sha256);
        }
        fields
    };
    match volume {
        InputVolume::Inline(zip) => json!({ "type": "inline", "contents": zip.as_base64() }),
        InputVolume::File { url, sha256 } => http("http", url.reveal(), sha256),
        InputVolume::Zip { url, sha256 } => http("zip_url", url.reveal(), sha256),
        InputVolume::HuggingFace(repository) => hub(repository),
    }
}

fn hub(repository: &HubRepository) -> Value {
    let HubRepository { repo_id, repo_type, revision, allow_patterns, token } = repository;
    let mut fields = json!({ "type": "huggingface", "repo_id": repo_id });
    if *repo_type != RepoType::default() {
        fields["repo_type"] = json!(repo_type.as_str());
    }
    if let Some(revision) = revision {
        fields["revision"] = json!(revision);
    }
    if !allow_patterns.is_empty() {
        fields["allow_patterns"] = json!(allow_patterns);
    }
    if let Some(token) = token {
        fields["token"] = json!(token.reveal());
    }
    fields
}

fn outputs(outputs: &OutputVolumes) -> Option<Value> {
    let files = outputs.files.iter();
    let files = files.map(|(path, to)| (format!("/output/{}", path.as_str()), upload("http", to)));
    let zip = outputs.system_output.iter().map(|to| ("/output/".to_owned(), upload("zip", to)));
    by_place(files.chain(zip))
}

fn upload(what: &str, to: &Upload) -> Value {
    let mut fields = match to.method() {
        UploadMethod::Put => json!({ "type": format!("{what}_put"), "url": to.url().reveal() }),
        UploadMethod::Post { fields } => json!({
            "type": format!("{what}_post"),
            "url": to.url().reveal(),
            "form_fields": pairs(fields),
        }),
    };
    if !to.headers().reveal().is_empty() {
        fields["signed_headers"] = pairs(to.headers());
    }
    fields
}
