//! Specs in JSON and from the builder: what is read, what is refused, what is written.

mod access;
mod documented;
pub(crate) mod random;
mod rules;
mod schema;
mod volumes;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{HttpUrl, Protocol, Upload};

/// The example of the documentation: every key once.
pub(crate) const EXAMPLE: &str = include_str!("tests/example.json");

/// An image, with these fields beside it.
fn image(fields: &Value) -> String {
    let mut spec = json!({ "image": "alpine" });
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec.to_string()
}

fn problems(text: &str) -> Vec<SpecProblem> {
    JobSpec::from_json(text).err().map(|errors| errors.problems).unwrap_or_default()
}

/// Whether an image with these fields has problems at exactly these places.
fn check(fields: &Value, expected: &[&str]) {
    let problems = problems(&image(fields));
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, expected, "{fields}: {problems:?}");
}

/// The same for a whole text.
fn check_text(text: &str, expected: &[(&str, &str)]) {
    let problems = problems(text);
    let found: Vec<_> =
        problems.iter().map(|found| (found.path.as_str(), found.message.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

/// Of two values one would be lost without a word. The data of a job is up to its job.
#[test]
fn keys_that_stand_twice() {
    let twice = "the key stands twice";
    for (text, path) in [
        (r#"{"image":"alpine","args":["a"],"args":["b"]}"#, "$.args"),
        (r#"{"image":"alpine","\u0069mage":"alpine"}"#, "$.image"),
        (r#"{"image":"alpine","limits":{"start":1,"start":2}}"#, "$.limits.start"),
        (r#"{"image":"alpine","env":{"A":"secret","A":"2"}}"#, "$.env.A"),
        (r#"{"job":"train","data":1,"data":2}"#, "$.data"),
        (
            r#"{"image":"a","input_volumes":{"/volume/a":[{"type":"inline","contents":"","contents":""}]}}"#,
            r#"$.input_volumes["/volume/a"][0].contents"#,
        ),
    ] {
        check_text(text, &[(path, twice)]);
    }
    // An unknown key is that as well.
    assert_eq!(problems(r#"{"image":"a","x":1,"x":2}"#).len(), 2);
    assert!(JobSpec::from_json(r#"{"job":"train","data":{"a":1,"a":2,"b":1e999}}"#).is_ok());
    // What was written when a run began must stay readable.
    let record = r#"{"image":"alpine","args":["a"],"args":["b"]}"#;
    assert!(serde_json::from_str::<JobSpec>(record).is_ok());
}

#[test]
fn the_example_is_read() {
    let spec = JobSpec::from_json(EXAMPLE).unwrap();
    assert_eq!(spec.limits.start.as_secs(), 600);
    assert_eq!(spec.limits.download.as_secs(), 60);
    assert_eq!(spec.resources.memory_bytes, Some(1_000_000_000));
    assert_eq!(spec.resources.cpu_millis, Some(1_500));
    let places: Vec<_> = spec.input_volumes.iter().map(MountedVolume::place).collect();
    assert_eq!(places, ["/volume", "/volume/a.bin", "/volume/d", "/volume/m"]);
    assert_eq!(spec.output_volumes.files.len(), 2);
    assert!(spec.output_volumes.system_output.is_some());
    assert!(matches!(&spec.work, Work::Image { ports, .. } if ports.len() == 2));
    assert_eq!(spec.publish.len(), 2);
    assert!(spec.ssh.is_some_and(|ssh| ssh.keep_alive && ssh.public_keys.len() == 1));
    let port = spec.streaming.and_then(|streaming| streaming.port);
    assert_eq!(port, Some(PortName::new("web").unwrap()));
}

#[test]
fn what_to_run_is_said_once() {
    for text in [
        r#"{"image": "alpine", "args": null, "network": null, "ports": null, "app": null}"#,
        r#"{"job": "train"}"#,
        r#"{"job": "train", "app": "target/debug/jobs", "data": null, "streaming": true}"#,
    ] {
        check_text(text, &[]);
    }
    let of_image = "it goes with `image`, and this spec runs a job";
    let of_job = "it goes with `job`, and this spec runs an image";
    check_text("{}", &[("$", "missing: `image`, or `job`, says what to run")]);
    check_text(
        r#"{"image": "alpine", "job": "train"}"#,
        &[("$.job", "a spec runs a job or an image, not both")],
    );
    check_text(
        r#"{"job": "train", "args": [], "network": false, "ports": [1]}"#,
        &[("$.args", of_image), ("$.network", of_image), ("$.ports", of_image)],
    );
    check_text(
        r#"{"image": "alpine", "app": "x", "data": null}"#,
        &[("$.app", of_job), ("$.data", of_job)],
    );
    check_text(r#"{"job": "../x"}"#, &[("$.job", "invalid job name `../x`")]);
    check_text(r#"{"job": 1}"#, &[("$.job", "expected a text, this is a number")]);
    check_text("[]", &[("$", "a spec is an object: `{…}`")]);
    check_text("\"secret\"", &[("$", "a spec is an object: `{…}`")]);
    check_text(
        r#"{"imgae": "alpine"}"#,
        &[
            ("$.imgae", "unknown key, did you mean `image`?"),
            ("$", "missing: `image`, or `job`, says what to run"),
        ],
    );
    assert!(problems("{")[0].message.starts_with("not JSON: "));
}

#[test]
fn data_is_kept_as_it_was_written() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for data in [r#"{"rate":1.10,"z":1e2,"a":123456789012345678901234567890}"#, deep.as_str()] {
        let spec = JobSpec::from_json(&format!(r#"{{"job": "train", "data": {data}}}"#)).unwrap();
        let Work::Job { data: read, .. } = &spec.work else { panic!("it is a job") };
        assert_eq!(read.as_str(), data);
        let written = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&written).unwrap(), spec);
    }
}

#[test]
fn limits() {
    for good in [
        json!({}),
        json!({ "start": 0.5, "execute": null, "grace": 0 }),
        json!({ "execute": "30d", "upload": 2_592_000, "grace": "0s" }),
    ] {
        check(&json!({ "limits": good }), &[]);
    }
    for (key, value) in [
        ("start", json!(0)),
        ("start", json!(null)),
        ("download", json!(-1)),
        ("download", json!("1")),
        ("execute", json!(0)),
        ("execute", json!("30d 1s")),
        ("execute", json!(true)),
        ("upload", json!(1e300)),
        ("upload", json!(18_446_744_073_709_551_615_u64)),
        ("streaming_start", json!(2_592_000.1)),
        ("grace", json!("31d")),
        ("grace", json!(-1)),
        ("exceute", json!(1)),
    ] {
        check(&json!({ "limits": { key: value } }), &[&format!("$.limits.{key}")]);
    }
    check(&json!({ "limits": [] }), &["$.limits"]);
}

#[test]
fn resources() {
    check(
        &json!({ "resources": { "memory": 1, "cpus": 0.001, "processes": 1, "gpu": true } }),
        &[],
    );
    check(&json!({ "resources": { "memory": "8GB", "shared_memory": "64 MiB" } }), &[]);
    for (key, value) in [
        ("memory", json!(0)),
        ("memory", json!(1.5)),
        ("memory", json!("8 gigabytes")),
        ("memory", json!(18_446_744_073_709_551_615_u64)),
        ("cpus", json!(0)),
        ("cpus", json!(0.0001)),
        ("cpus", json!(-1)),
        ("cpus", json!(1e300)),
        ("cpus", json!("2")),
        ("processes", json!(0)),
        ("processes", json!(1.5)),
        ("processes", json!(4_294_967_296_u64)),
        ("shared_memory", json!([])),
        ("gpu", json!(1)),
        ("memory_bytes", json!(1)),
    ] {
        check(&json!({ "resources": { key: value } }), &[&format!("$.resources.{key}")]);
    }
}

#[test]
fn words_of_a_spec() {
    let long = "x".repeat(101);
    for (fields, expected) in [
        (json!({ "executor_class": "local", "namespace": "x".repeat(100) }), &[][..]),
        (json!({ "executor_class": "of.another.machine" }), &[]),
        (json!({ "executor_class": "no class" }), &["$.executor_class"]),
        (json!({ "executor_class": "" }), &["$.executor_class"]),
        (json!({ "namespace": long }), &["$.namespace"]),
        (json!({ "namespace": "a\u{7}" }), &["$.namespace"]),
        (json!({ "namespace": 1 }), &["$.namespace"]),
        (json!({ "args": ["a", "b\0", 3] }), &["$.args[2]", "$.args[1]"]),
        (json!({ "args": "sh" }), &["$.args"]),
        (json!({ "network": "yes" }), &["$.network"]),
        (
            json!({ "env": { "": "a", "A=": "b", "C": "\0", "D": 1, "E": "" } }),
            &["$.env.D", "$.env[\"\"]", "$.env[\"A=\"]", "$.env.C"],
        ),
        (json!({ "artifacts_dir": "/usr/x" }), &["$.artifacts_dir"]),
        (json!({ "artifacts_dir": "/run/podman-init" }), &["$.artifacts_dir"]),
        (json!({ "streaming": false }), &[]),
        (json!({ "streaming": { "client_certificate": "PEM" } }), &[]),
        (json!({ "streaming": { "client_certificate": "" } }), &["$.streaming.client_certificate"]),
        (json!({ "streaming": { "certificate": "PEM" } }), &["$.streaming.certificate"]),
        (json!({ "streaming": "yes" }), &["$.streaming"]),
        (json!({ "image": "--privileged" }), &["$.image"]),
        (json!({ "image": "PLAIN:1" }), &["$.image"]),
        (json!({ "image": "localhost/plain:1:2" }), &["$.image"]),
    ] {
        check(&fields, expected);
    }
}

#[test]
fn the_builder_refuses_what_json_refuses() {
    let alpine = || JobSpec::builder(ImageName::new("alpine").unwrap());
    let train = || JobSpec::builder(JobName::new("train").unwrap());
    let to = || Upload::put(HttpUrl::new("https://e.test").unwrap(), vec![]).unwrap();
    let twice = vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
    let twice = Upload::put(HttpUrl::new("https://e.test").unwrap(), twice).unwrap();
    for (builder, path) in [
        (alpine().app("x"), "$.app"),
        (alpine().data(Json::null()), "$.data"),
        (train().args(["x"]), "$.args"),
        (train().network(true), "$.network"),
        (train().port(Port::new("web", 8080, Protocol::Http).unwrap()), "$.ports"),
        (train().app(""), "$.app"),
        (alpine().args(["\0"]), "$.args[0]"),
        (alpine().env("A", "1").env("A", "2"), "$.env.A"),
        (alpine().namespace(""), "$.namespace"),
        (alpine().artifacts_dir("x"), "$.artifacts_dir"),
        (alpine().execute_limit(std::time::Duration::ZERO), "$.limits.execute"),
        (alpine().output("/output", to()), "$.output_volumes[\"/output\"]"),
        (alpine().system_output(to()).system_output(to()), "$.output_volumes[\"/output/\"]"),
        (alpine().output("/output/a", twice), "$.output_volumes[\"/output/a\"].signed_headers.a"),
    ] {
        let problems = builder.build().unwrap_err().problems;
        let paths: Vec<_> = problems.into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, [path]);
    }
}

#[test]
fn a_run_that_has_begun_stays_readable() {
    let limits = Limits { start: std::time::Duration::ZERO, ..Limits::default() };
    let class = ExecutorClass::new("class.of.another.version").unwrap();
    let spec = JobSpec {
        limits: Limits { execute: Some(std::time::Duration::from_hours(24 * 99)), ..limits },
        executor_class: Some(class),
        ..JobSpec::job(JobName::new("train").unwrap(), Json::null())
    };
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    assert_eq!(problems(&text).len(), 2);
    let errors =
        JobSpec::from_json_with(&text, SpecRules::of_classes(&[ClassProfile::LOCAL])).unwrap_err();
    assert_eq!(errors.problems.len(), 3);
}

#[test]
fn secrets_are_in_no_message() {
    let errors = problems(&image(&json!({
        "env": { "A": ["secret"], "B": "secret\0" },
        "input_volumes": {
            "/volume/a": { "type": "http", "url": "ftp://e.test/?secret" },
            "/volume/b": { "type": "http", "url": "https://ada:secret@/" },
            "/volume/c": { "type": "huggingface", "repo_id": "a/b", "token": "secret secret" },
            "/volume/d": "secret",
        },
        "output_volumes": { "/output/a": {
            "type": "http_post", "url": "https://e.test", "form_fields": { "k": ["secret"] },
            "signed_headers": { "k": "secret\n" },
        }},
        "ssh": { "public_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", ["secret"]] },
    })));
    assert_eq!(errors.len(), 10, "{errors:?}");
    assert!(!format!("{errors:?}").contains("secret"), "{errors:?}");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(spec in random::spec()) {
        let text = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&JobSpec::from_json(&text).unwrap(), &spec);
        prop_assert_eq!(&serde_json::from_str::<JobSpec>(&text).unwrap(), &spec);
        let value: Value = serde_json::from_str(&text).unwrap();
        // The numbers of its data have lost their spelling on the way.
        let again: JobSpec = serde_json::from_value(value).unwrap();
        prop_assert_eq!(&JobSpec { work: spec.work.clone(), ..again }, &spec);
    }

    #[test]
    fn a_spec_without_secrets_is_read_back_and_has_none(spec in random::spec()) {
        let shown = spec.without_secrets();
        let text = serde_json::to_string(&shown).unwrap();
        prop_assert!(!text.contains("secret"), "{}", text);
        let debug = format!("{spec:?}");
        prop_assert!(!debug.contains("secret"), "{}", debug);
        prop_assert_eq!(&serde_json::from_str::<JobSpec>(&text).unwrap(), &shown);
        prop_assert_eq!(&shown.without_secrets(), &shown);
        prop_assert_eq!(shown.input_volumes.iter().count(), spec.input_volumes.iter().count());
        prop_assert_eq!(shown.output_volumes.files.len(), spec.output_volumes.files.len());
    }

    #[test]
    fn no_text_panics(text in "[{}\\[\\]\":,a-z0-9_.\\\\ -]{0,80}") {
        let _ = JobSpec::from_json(&text);
    }

    #[test]
    fn no_value_panics(spec in random::hostile()) {
        let text = spec.to_string();
        if let Ok(spec) = JobSpec::from_json(&text) {
            let written = serde_json::to_string(&spec).unwrap();
            prop_assert_eq!(JobSpec::from_json(&written).unwrap(), spec);
        }
    }
}
