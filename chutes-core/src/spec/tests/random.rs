//! Random specs, good and hostile. Every secret in a good one has the word `secret` in it.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::json::KEYS;
use crate::{
    ContainerPath, ExecutorClass, HttpUrl, HubRepository, ImageName, InputVolume, JobName, JobSpec,
    Json, Limits, RepoType, Resources, SecretPairs, SecretText, Sha256Digest, Streaming, Upload,
    Work,
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
    let image = (vec(word(), 0..3), any::<bool>()).prop_map(|(args, network)| Work::Image {
        image: ImageName::new("registry.test/a/b:1").unwrap(),
        args,
        network,
    });
    prop_oneof![job, image]
}

/// A good spec, through the rules of all specs.
pub(super) fn spec() -> impl Strategy<Value = JobSpec> {
    let inputs = (
        vec((option::of(word()), folder()), 0..5),
        btree_map(word(), file(), 0..3),
        vec((word(), upload()), 0..4),
        option::of(upload()),
    );
    let streaming = option::of(option::of(word().prop_map(|word| format!("PEM{word}"))));
    (work(), limits(), resources(), pairs(), inputs, streaming).prop_map(
        |(work, limits, resources, env, (folders, files, uploads, zip), streaming)| {
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
                streaming: streaming.map(|client_certificate| Streaming { client_certificate }),
                ..spec
            }
        },
    )
}

/// Known keys with whatever values.
pub(super) fn hostile() -> impl Strategy<Value = Value> {
    let keys = KEYS.iter().copied().chain(["docker_image", "volumes", "uploads", "x"]);
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
