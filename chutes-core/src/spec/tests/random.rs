//! Random specs, good and hostile. Every secret in a good one has the word `secret` in it.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::json::keys::KEYS;
use crate::{
    ContainerPath, ExecutorClass, HttpUrl, HubRepository, ImageName, InputVolume, JobName, JobSpec,
    Json, Limits, Port, PortName, Protocol, Publish, PublishedPort, ReadinessPath, RepoType,
    Resources, SecretPairs, SecretText, Sha256Digest, SshAccess, Streaming, Upload, Work,
};

fn word() -> impl Strategy<Value = String> {
    "[a-zé_\"\\\\ .-]{1,6}".prop_filter("it is no component", |word| {
        !word.contains('\\') && !matches!(word.as_str(), "." | "..")
    })
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let names = btree_map("[a-z][a-z-]{0,5}", "secret[a-z\"é ]{0,5}", 0..3);
    names.prop_map(|pairs| pairs.into_iter().rev().collect())
}

fn url() -> impl Strategy<Value = HttpUrl> {
    "https://(ada:secret@)?e\\.test(:8443)?(/[a-zé%]{0,6}){0,2}(\\?secret)?(#secret)?"
        .prop_map(|url| HttpUrl::new(&url).unwrap())
}

fn upload() -> impl Strategy<Value = Upload> {
    (url(), option::of(pairs()), pairs()).prop_map(|(url, fields, headers)| {
        // A header has no `é` here: its bytes are the caller's business, its lines are ours.
        match fields {
            None => Upload::put(url, headers).unwrap(),
            Some(fields) => Upload::post(url, fields, headers).unwrap(),
        }
    })
}

fn digest() -> impl Strategy<Value = Option<Sha256Digest>> {
    option::of(any::<[u8; 32]>().prop_map(Sha256Digest::from_bytes))
}

fn hub() -> impl Strategy<Value = HubRepository> {
    let kinds = prop_oneof![Just(RepoType::Model), Just(RepoType::Dataset), Just(RepoType::Space),];
    let token = option::of("secret[a-z]{0,3}".prop_map(SecretText::new));
    let patterns = vec("[*a-z.]{0,3}[a-z]", 0..3);
    ("[a-z]{1,3}(/[a-z]{1,3})?", kinds, option::of("[a-z0-9]{1,6}"), patterns, token).prop_map(
        |(repo_id, repo_type, revision, allow_patterns, token)| HubRepository {
            repo_id,
            repo_type,
            revision,
            allow_patterns,
            token,
        },
    )
}

/// Something that may share its place with others of its kind.
fn folder() -> impl Strategy<Value = InputVolume> {
    prop_oneof![
        "secret[a-zA-Z0-9+/]{0,9}".prop_map(InputVolume::inline),
        (url(), digest()).prop_map(|(url, sha256)| InputVolume::Zip { url, sha256 }),
        hub().prop_map(InputVolume::HuggingFace),
    ]
}

fn file() -> impl Strategy<Value = InputVolume> {
    (url(), digest()).prop_map(|(url, sha256)| InputVolume::File { url, sha256 })
}

fn duration() -> impl Strategy<Value = Duration> {
    (0_u64..2_592_000, prop_oneof![Just(0_u32), 1_u32..1_000_000_000])
        .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos.max(u32::from(seconds == 0))))
}

fn limits() -> impl Strategy<Value = Limits> {
    let limits = (duration(), duration(), option::of(duration()), duration(), duration());
    (limits, prop_oneof![Just(Duration::ZERO), duration()]).prop_map(
        |((start, download, execute, upload, streaming_start), grace)| Limits {
            start,
            download,
            execute,
            upload,
            streaming_start,
            grace,
        },
    )
}

fn resources() -> impl Strategy<Value = Resources> {
    let size = || option::of(1_u64..1 << 62);
    (size(), option::of(1_u32..), option::of(1_u32..), size(), option::of(any::<bool>())).prop_map(
        |(memory_bytes, cpu_millis, processes, shared_memory_bytes, gpu)| Resources {
            memory_bytes,
            cpu_millis,
            processes,
            shared_memory_bytes,
            gpu,
        },
    )
}

fn work() -> impl Strategy<Value = Work> {
    let job = (option::of(word()), any::<i64>()).prop_map(|(app, number)| Work::Job {
        app,
        job: JobName::new("train").unwrap(),
        data: Json::parse(&format!(r#"{{"z":{number},"a":1.10}}"#)).unwrap(),
    });
    let image = (vec(word(), 0..3), any::<bool>(), ports()).prop_map(|(args, network, ports)| {
        Work::Image { image: ImageName::new("registry.test/a/b:1").unwrap(), args, network, ports }
    });
    prop_oneof![job, image]
}

/// Ports of different names and numbers, none of which is that of SSH.
fn ports() -> impl Strategy<Value = Vec<Port>> {
    let port =
        (0_u64..1_000, prop::sample::select(Protocol::ALL.to_vec()), option::of("/[!-\"a-z]*"));
    vec(port, 0..4).prop_map(|ports| {
        let port = |(index, (number, protocol, ready)): (u64, (u64, Protocol, Option<String>))| {
            let port = Port::for_image(format!("p{index}"), index * 1_000 + number + 1, protocol);
            match ready {
                Some(path) => port.unwrap().ready_at(ReadinessPath::new(path).unwrap()),
                None => port.unwrap(),
            }
        };
        // Those at 2,000 and above leave out the number of SSH.
        (0..).map(|index| if index < 2 { index } else { index + 1 }).zip(ports).map(port).collect()
    })
}

/// What is said of some ports: whether by name, whether at a number of its own, whether it streams.
type Said = (bool, bool, bool);

fn ssh() -> impl Strategy<Value = Option<SshAccess>> {
    let keys = vec("ssh-ed25519 [A-Za-z]{1,9}( [a-zé\"]{1,5})?(\n# \nssh-rsa A)?\n?", 0..3);
    let access = (keys, any::<bool>())
        .prop_map(|(public_keys, keep_alive)| SshAccess { public_keys, keep_alive });
    option::of(access)
}

/// Where the ports of this work are opened, and which of them streams.
fn reached(work: &Work, said: &[Said]) -> (Vec<Publish>, Option<PortName>) {
    let of_job = [Port::new("web", 8080, Protocol::Http).unwrap()];
    let ports = match work {
        Work::Image { ports, .. } => ports.as_slice(),
        Work::Job { .. } => &of_job,
    };
    let publish = ports.iter().zip(said).zip(20_000_u16..).map(|((port, said), to)| Publish {
        port: if said.0 {
            PublishedPort::Name(port.name().clone())
        } else {
            PublishedPort::Number(port.number().get())
        },
        to: if said.1 { to } else { 0 },
    });
    let streams =
        ports.iter().zip(said).find(|(port, said)| said.2 && port.protocol() == Protocol::Http);
    (publish.collect(), streams.map(|(port, _)| port.name().clone()))
}

/// A good spec, through the rules of all specs.
pub(crate) fn spec() -> impl Strategy<Value = JobSpec> {
    let inputs = (
        vec((option::of(word()), folder()), 0..5),
        btree_map(word(), file(), 0..3),
        vec((word(), upload()), 0..4),
        option::of(upload()),
    );
    let streaming = option::of(option::of(word().prop_map(|word| format!("PEM{word}"))));
    let access = (vec(any::<Said>(), 0..4), ssh(), streaming);
    (work(), limits(), resources(), pairs(), inputs, access).prop_map(
        |(work, limits, resources, env, (folders, files, uploads, zip), (said, ssh, streaming))| {
            let (publish, port) = reached(&work, &said);
            let mut builder = JobSpec::builder(ImageName::new("alpine").unwrap())
                .limits(|all| *all = limits)
                .resources(resources);
            for (folder, volume) in folders {
                let place =
                    folder.map_or_else(|| "/volume".into(), |name| format!("/volume/d/{name}"));
                builder = builder.input(&place, volume);
            }
            for (file, volume) in files {
                builder = builder.input(&format!("/volume/f/{file}"), volume);
            }
            for (file, to) in uploads {
                builder = builder.output(&format!("/output/{file}"), to);
            }
            if let Some(to) = zip {
                builder = builder.system_output(to);
            }
            let spec = builder.build().unwrap();
            JobSpec {
                work,
                executor_class: Some(ExecutorClass::new("always_on.test").unwrap()),
                namespace: Some("SN1".to_owned()),
                env: SecretPairs::new(env),
                artifacts_dir: Some(ContainerPath::new("/artifacts").unwrap()),
                publish,
                ssh,
                streaming: streaming
                    .map(|client_certificate| Streaming { client_certificate, port }),
                ..spec
            }
        },
    )
}

/// Known keys with whatever values.
pub(crate) fn hostile() -> impl Strategy<Value = Value> {
    let keys = KEYS.iter().copied().chain(["volumes", "uploads", "x"]);
    let key = prop::sample::select(keys.collect::<Vec<_>>());
    vec((key, value()), 0..6).prop_map(|fields| {
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
        Value::Object(fields.collect())
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "alpine",
            "http",
            "https://e.test/x",
            "/volume/a",
            "/output/a",
            "zip_put",
            "2h",
            "1GB",
            "inline",
            "single_file",
            "../x",
            "web",
            "web:0",
            "80:1",
            "/health",
            "ssh-ed25519 AAAA",
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "type",
            "url",
            "contents",
            "repo_id",
            "start",
            "execute",
            "memory",
            "/volume/a",
            "/volume/",
            "/output/a",
            "/output/",
            "volume_type",
            "relative_path",
            "name",
            "port",
            "proto",
            "ready",
            "public_keys",
            "keep_alive",
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let members = vec((key.clone(), inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
    .prop_map(|value| json!(value))
}
