//! Run requests: what is read, what is refused, what is written, what is shown.

mod hostile;
mod random;
mod types;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::json::{ACCESS_KEYS, CACHE_KEYS, ENGINE_KEYS, KEYS};
use super::*;
use crate::{HttpUrl, ImageName, SpecProblem, Upload};

const ID: &str = "0198c0de-89ab-7def-8001-0203040506ff";

/// A request with these fields beside those that are needed, or in their place.
fn with(fields: &Value) -> String {
    let mut request = json!({
        "version": 1, "run_id": ID, "directory": "runs/7", "spec": { "image": "alpine" },
    });
    for (key, value) in fields.as_object().unwrap() {
        request[key] = value.clone();
    }
    request.to_string()
}

fn problems(text: &str) -> Vec<SpecProblem> {
    match RunRequest::from_json(text) {
        Ok(_) => Vec::new(),
        Err(RunRequestError::Invalid(errors)) => errors.problems,
        Err(error) => panic!("{error}"),
    }
}

/// The places and messages of what is wrong with a text.
#[track_caller]
fn check_text(text: &str, expected: &[(&str, &str)]) {
    let problems = problems(text);
    let found: Vec<_> =
        problems.iter().map(|found| (found.path.as_str(), found.message.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

/// The same for a request with these fields.
#[track_caller]
fn check(fields: &Value, expected: &[(&str, &str)]) {
    check_text(&with(fields), expected);
}

fn minimal() -> RunRequest {
    let spec = JobSpec::image(ImageName::new("alpine").unwrap(), Vec::new());
    RunRequest::new(ID.parse().unwrap(), spec, "runs/7")
}

/// One with something in each field. Its secrets have the word `secret` in them.
fn full() -> RunRequest {
    let spec = JobSpec::builder(ImageName::new("alpine").unwrap()).env("TOKEN", "secret");
    let pairs = vec![("x-key".to_owned(), "secret".to_owned())];
    let to = Upload::put(HttpUrl::new("https://u:secret@h/all?secret").unwrap(), pairs).unwrap();
    RunRequest {
        attempt: Attempt::new(3).unwrap(),
        sinks: vec![
            "a.bin=https://u:secret@h/a?secret".parse().unwrap(),
            SinkSpec::system_output(to, Vec::new()),
        ],
        live: true,
        access: AccessRequest {
            host: "::".parse().unwrap(),
            public_host: Some("gpu-7.lab.test".to_owned()),
            streaming_port: 8443,
        },
        cache: CacheRequest { dir: Some("/cache".into()), size: Some(1), enabled: false },
        allowed_addresses: vec!["169.254.0.0/16".parse().unwrap()],
        engine: EngineRequest {
            host: Some("tcp://u:secret@h:1".to_owned()),
            pull: PullPolicy::Never,
        },
        log_limit: Some(1_024),
        labels: BTreeMap::from([(LabelName::new("team").unwrap(), "vision".to_owned())]),
        trace_parent: TraceParent::new([1; 16], [2; 8], 1).ok(),
        requested_by: Some("key ci-7".to_owned()),
        ..RunRequest::new(ID.parse().unwrap(), spec.build().unwrap(), "/runs/7")
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(RunRequest::from_json(&with(&json!({}))), Ok(minimal()));
    let nothing: Value = KEYS
        .iter()
        .filter(|key| !["version", "run_id", "directory", "spec"].contains(*key))
        .map(|key| ((*key).to_owned(), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(RunRequest::from_json(&with(&nothing)), Ok(minimal()));
}

#[test]
fn everything_is_written() {
    let text = minimal().to_json().unwrap();
    let expected = format!(
        concat!(
            r#"{{"version":1,"run_id":"{}","attempt":1,"directory":"runs/7","#,
            r#""spec":{{"image":"alpine","limits":{{"start":600,"download":3600,"execute":null,"#,
            r#""upload":86400,"streaming_start":5,"grace":30}}}},"sinks":[],"live":false,"#,
            r#""access":{{"host":"127.0.0.1","public_host":null,"streaming_port":0}},"#,
            r#""cache":{{"dir":null,"size":null,"enabled":true}},"allowed_addresses":[],"#,
            r#""engine":{{"host":null,"pull":"missing"}},"log_limit":null,"labels":{{}},"#,
            r#""trace_parent":null,"requested_by":null}}"#,
        ),
        ID,
    );
    assert_eq!(text, expected);
    assert_eq!(RunRequest::from_json(&full().to_json().unwrap()), Ok(full()));
}

#[test]
fn what_is_missing_or_unknown_is_reported_at_once() {
    check_text(
        r#"{"version": 1, "run_di": "secret", "spec": null, "access": {"hots": "secret"}}"#,
        &[
            ("$.spec", "missing: what to run"),
            ("$.run_di", "unknown key, did you mean `run_id`?"),
            ("$.run_id", "missing: the id of the run, a UUID"),
            ("$.directory", "missing: the directory of the attempt"),
            ("$.access.hots", "unknown key, did you mean `host`?"),
        ],
    );
    let unknown = |known: &str| format!("unknown key; there are `{known}`");
    for (key, known) in
        [("cache", &CACHE_KEYS[..]), ("engine", &ENGINE_KEYS[..]), ("access", &ACCESS_KEYS[..])]
    {
        let path = format!("$.{key}.zzzzzzzz");
        let expected = unknown(&known.join("`, `"));
        check(&json!({ key: { "zzzzzzzz": 1 } }), &[(&path, &expected)]);
    }
}

#[test]
fn problems_of_a_spec_have_their_place_in_the_request() {
    check(
        &json!({ "spec": { "image": "alpine", "env": { "A=B": "secret" }, "x": "secret" } }),
        &[
            ("$.spec.x", &unknown_key()),
            (r#"$.spec.env["A=B"]"#, "the name of a variable has a `=`"),
        ],
    );
    check(&json!({ "spec": [] }), &[("$.spec", "a spec is an object: `{…}`")]);
}

/// What the reader of specs says of an unknown key.
fn unknown_key() -> String {
    JobSpec::from_json(r#"{"image": "alpine", "x": 1}"#).unwrap_err().problems[0].message.clone()
}

/// Whether each of these fields has one problem, at this place.
fn check_each<const N: usize>(cases: [(Value, &str, &str); N]) {
    for (fields, path, message) in cases {
        check(&fields, &[(path, message)]);
    }
}

#[test]
fn bounds_of_numbers() {
    let attempt = "the number of an attempt is at most 4294967295";
    let cache = "a cache has at least 1 byte; `enabled` turns it off";
    let port = "the number of a port is at most 65535";
    check_each([
        (json!({ "attempt": 0 }), "$.attempt", "attempts are counted from 1"),
        (json!({ "attempt": 4_294_967_296_u64 }), "$.attempt", attempt),
        (json!({ "cache": { "size": 0 } }), "$.cache.size", cache),
        (json!({ "access": { "streaming_port": 65_536 } }), "$.access.streaming_port", port),
        (json!({ "log_limit": 1_023 }), "$.log_limit", "a log has at least 1024 bytes"),
    ]);
    for good in [
        json!({ "attempt": u32::MAX, "log_limit": 1_024, "cache": { "size": u64::MAX } }),
        json!({ "access": { "streaming_port": 65_535 }, "log_limit": u64::MAX }),
    ] {
        check(&good, &[]);
    }
}

#[test]
fn bounds_of_addresses() {
    let range = "`1.2.3.4/8` is neither an IP address nor a network such as `10.0.0.0/8`, whose \
                 other bits are zero";
    let name = "expected a host name or an IP address";
    let engine = "the address of an engine is not empty";
    let pull =
        "there is no `alwyas`; did you mean `always`? there are `missing`, `always`, `never`";
    check_each([
        (json!({ "access": { "public_host": "$(x)" } }), "$.access.public_host", name),
        (json!({ "access": { "host": "x" } }), "$.access.host", "invalid IP address syntax"),
        (json!({ "allowed_addresses": ["::1", "1.2.3.4/8"] }), "$.allowed_addresses[1]", range),
        (json!({ "engine": { "host": "" } }), "$.engine.host", engine),
        (json!({ "engine": { "pull": "alwyas" } }), "$.engine.pull", pull),
    ]);
}

#[test]
fn bounds_of_texts() {
    let long = "x".repeat(257);
    let requester = |problem: &str| format!("the name of the requester {problem}");
    let (empty, too_long) = (requester("is not empty"), requester("has at most 256 bytes"));
    let short = "expected a text of at most 256 bytes";
    check_each([
        (json!({ "requested_by": "" }), "$.requested_by", &empty),
        (json!({ "requested_by": long }), "$.requested_by", &too_long),
        (json!({ "run_id": long }), "$.run_id", short),
        (json!({ "trace_parent": long }), "$.trace_parent", short),
        (json!({ "directory": "" }), "$.directory", "a path is not empty"),
        (json!({ "directory": "a\0" }), "$.directory", "a path has no zero byte"),
        (json!({ "directory": "x".repeat(4_096) }), "$.directory", "a path has at most 4095 bytes"),
        (json!({ "cache": { "dir": "" } }), "$.cache.dir", "a path is not empty"),
    ]);
    check(&json!({ "directory": "x".repeat(4_095), "requested_by": "x".repeat(256) }), &[]);
}

#[test]
fn bounds_of_labels() {
    let numbered = |count: u32| {
        let labels = (0..count).map(|index| (format!("l{index}"), json!("")));
        Value::Object(labels.collect())
    };
    let name = LabelNameError.to_string();
    let too_long = "the text of a label has at most 256 bytes";
    let control = "the text of a label has no control characters";
    check_each([
        (
            json!({ "labels": numbered(65) }),
            "$.labels",
            "a run has at most 64 labels, these are 65",
        ),
        (json!({ "labels": { "-": "" } }), r#"$.labels["-"]"#, &name),
        (json!({ "labels": { "a": "x".repeat(257) } }), "$.labels.a", too_long),
        (json!({ "labels": { "a": "\n" } }), "$.labels.a", control),
        (json!({ "labels": { "a": 1 } }), "$.labels.a", "expected a text, this is a number"),
    ]);
    check(&json!({ "labels": numbered(64) }), &[]);
    check(&json!({ "labels": { "a": "x".repeat(256), "b": "" } }), &[]);
}

#[test]
fn paths_that_are_no_text() {
    let directory = |text: Value| {
        let request = RunRequest::from_json(&with(&json!({ "directory": text }))).unwrap();
        request.directory.into_os_string().into_encoded_bytes()
    };
    let percent = |path: &str| json!({ "path": path, "path_encoding": "percent" });
    assert_eq!(directory(json!("a%41")), b"a%41");
    assert_eq!(directory(json!({ "path": "a%41" })), b"a%41");
    assert_eq!(directory(json!({ "path": "a%41", "path_encoding": null })), b"a%41");
    assert_eq!(directory(percent("%41%25%ffé")), b"A%\xff\xc3\xa9");
    let digits = "a `%` is followed by two hexadecimal digits";
    for (path, at, message) in [
        (percent("%4"), "$.directory.path", digits),
        (percent("%+4"), "$.directory.path", digits),
        (percent("%é"), "$.directory.path", digits),
        (percent("%00"), "$.directory", "a path has no zero byte"),
        (percent(""), "$.directory", "a path is not empty"),
        (json!({}), "$.directory.path", "missing: the path as a text"),
        (
            json!({ "path": "a", "path_encoding": "base64" }),
            "$.directory.path_encoding",
            "there is no `base64`; there are `percent`",
        ),
        (
            json!(7),
            "$.directory",
            "expected a path: a text, or an object with `path`, this is a number",
        ),
    ] {
        check(&json!({ "directory": path }), &[(at, message)]);
    }
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let mut broken = minimal();
    broken.requested_by = Some("\n".to_owned());
    broken.spec.limits.start = std::time::Duration::ZERO;
    let errors = broken.to_json().unwrap_err().to_string();
    assert!(errors.contains("$.requested_by: ") && errors.contains("$.spec.limits"), "{errors}");
    assert_eq!(broken.check().unwrap_err().problems.len(), 1);

    let twice = vec![("a".to_owned(), "secret".to_owned()), ("a".to_owned(), "2".to_owned())];
    let to = Upload::put(HttpUrl::new("https://h/").unwrap(), twice).unwrap();
    let sinks = vec![SinkSpec::system_output(to, Vec::new())];
    let errors = RunRequest { sinks, ..minimal() }.to_json().unwrap_err();
    let at = "$.sinks[0].system_output.headers.a";
    assert_eq!(errors.to_string(), format!("{at}: the key stands twice"));
}

#[test]
fn data_is_kept_as_it_was_written() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for data in [r#"{"rate":1.10,"z":1e999,"z":2}"#, deep.as_str()] {
        let text = format!(
            r#"{{"version":1,"run_id":"{ID}","directory":"x","spec":{{"job":"train","data":{data}}}}}"#
        );
        let request = RunRequest::from_json(&text).unwrap();
        let crate::Work::Job { data: read, .. } = &request.spec.work else { panic!("it is a job") };
        assert_eq!(read.as_str(), data);
        assert_eq!(RunRequest::from_json(&request.to_json().unwrap()), Ok(request));
    }
}

#[test]
fn secrets_are_in_no_debug_and_no_message() {
    let request = full();
    assert!(request.to_json().unwrap().matches("secret").count() >= 6);
    let debug = format!("{request:?} {request:#?}");
    assert!(!debug.contains("secret"), "{debug}");
    for shown in ["runs/7", "TOKEN", "a.bin=https://h/a?…", "vision", "key ci-7", "…"] {
        assert!(debug.contains(shown), "{shown}: {debug}");
    }
    let errors = problems(&with(&json!({
        "spec": { "image": "alpine", "env": { "A": ["secret"] } },
        "sinks": [
            { "url": "ftp://u:secret@h/" }, { "url": "https://u:secret@/" }, ["secret"],
            { "url": "https://h", "file": "a", "headers": { "k": "secret\n" } }, "a=https://u:secret@/",
        ],
        "attempt": "secret", "live": "secret", "access": ["secret"], "cache": { "size": "secret" },
        "engine": { "host": ["secret"] }, "trace_parent": "secret", "requested_by": { "a": "secret" },
    })));
    assert_eq!(errors.len(), 13, "{errors:#?}");
    assert!(!format!("{errors:?}").contains("secret"), "{errors:#?}");
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema = schemars::schema_for!(RunRequest).to_value();
    assert_eq!(schema["required"], json!(["version", "run_id", "directory", "spec"]));
    let check = |at: &str, keys: &[&str]| {
        let object = schema.pointer(at).unwrap_or_else(|| panic!("{at}: {schema:#}"));
        assert_eq!(object["additionalProperties"], false, "{at}");
        let properties = object["properties"].as_object().unwrap();
        let found: Vec<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(found, keys, "{at}");
    };
    check("", &KEYS);
    check("/$defs/AccessRequest", &ACCESS_KEYS);
    check("/$defs/CacheRequest", &CACHE_KEYS);
    check("/$defs/EngineRequest", &ENGINE_KEYS);
    let written: Value = serde_json::from_str(&full().to_json().unwrap()).unwrap();
    let keys: Vec<&String> = written.as_object().unwrap().keys().collect();
    assert_eq!(keys, KEYS);
    assert_eq!(schema["properties"]["version"]["maximum"], 1);
    assert_eq!(schema["properties"]["labels"]["maxProperties"], 64);
    assert_eq!(schema["$defs"]["Attempt"]["minimum"], 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_and_shown_without_secrets(request in random::request()) {
        let text = request.to_json().unwrap();
        prop_assert_eq!(&RunRequest::from_json(&text).unwrap(), &request);
        let debug = format!("{request:?}");
        prop_assert!(!debug.contains("secret"), "{}", debug);
    }
}
