//! Requests as the SDK sends them, and what is wrong with others.

use chutes_core::{Limits, SpecRules};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Made with the official code: a name, a space and a value per line.
const VECTORS: &str = include_str!("signature_vectors.txt");

fn vector(name: &str) -> &'static str {
    let lines = || VECTORS.split('\n');
    lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap()
}

#[test]
fn signed_texts_are_those_of_the_official_code() {
    let signed = signed_fields(vector("BODY")).unwrap();
    assert_eq!(signed, vector("SIGNED_FIELDS"));
    assert_eq!(signature_payload(&signed), vector("OUTER"));
    // Behind the text of this one is its digest.
    let (expected, _digest) = vector("MIN").rsplit_once(' ').unwrap();
    let body = r#"{"executor_class":"always_on.test","streaming_details":{"public_key":"PEM\n"}}"#;
    assert_eq!(signed_fields(body).unwrap(), expected);
    let body = r#"{
        "job_uuid": "1c4904f0-b614-4e27-8e50-7bfc5ddab8fd",
        "trusted_job_uuid": "8c8d1f5e-5d1c-4c35-8e47-0e913a2d51aa",
        "details": {"é": [1, 2.5, null]}
    }"#;
    assert_eq!(full_request_text(body).unwrap(), vector("CHEATED inner"));
}

#[test]
fn signed_fields_of_the_wrong_type_are_refused() {
    for (body, path) in [
        ("[]", "$"),
        ("{", "$"),
        (r#"{"download_time_limit": 1.5}"#, "$.download_time_limit"),
        (r#"{"env": {"A": 1}}"#, "$.env"),
        (r#"{"args": "sh"}"#, "$.args"),
        (r#"{"streaming_details": "PEM"}"#, "$.streaming_details"),
        (r#"{"volumes": {}}"#, "$.volumes"),
    ] {
        let paths: Vec<_> = signed_fields(body).unwrap_err().problems;
        let paths: Vec<_> = paths.into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, [path], "{body}");
    }
}

#[test]
fn numbers_are_written_as_python_does() {
    for (number, expected) in [
        ("0", "0"),
        ("-7", "-7"),
        ("18446744073709551615", "18446744073709551615"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("123456789012345.6", "123456789012345.6"),
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e+16"),
        ("1.5e300", "1.5e+300"),
        ("5e-324", "5e-324"),
    ] {
        assert_eq!(full_request_text(number).unwrap(), expected, "{number}");
    }
}

#[test]
fn a_request_of_the_sdk_is_read_and_written_back() {
    let request = JobRequest::from_json(vector("BODY")).unwrap();
    let compact: serde_json::Value = serde_json::from_str(vector("BODY")).unwrap();
    assert_eq!(request.to_json(), compact.to_string());
    let spec = JobSpec::try_from(&request).unwrap();
    assert_eq!(spec.limits.grace.as_secs(), 10);
    assert_eq!(spec.limits.start, Limits::default().start);
    assert_eq!(spec, read_spec(vector("BODY"), SpecRules::of_classes(&CLASSES)).unwrap());
    let hotkey = request.target_validator_hotkey.clone();
    let again = JobRequest::from_spec(&spec).unwrap();
    assert_eq!(JobRequest { target_validator_hotkey: hotkey, ..again }, request);
}

/// A request with these fields beside those that it needs.
fn body(fields: &serde_json::Value) -> String {
    let mut body = json!({
        "docker_image": "alpine", "download_time_limit": 1, "execution_time_limit": 2,
        "upload_time_limit": 3,
    });
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string()
}

fn problem_paths(fields: &serde_json::Value) -> Vec<String> {
    let read = read_spec(&body(fields), SpecRules::of_classes(&CLASSES));
    let problems = read.err().map(|errors| errors.problems).unwrap_or_default();
    problems.into_iter().map(|problem| problem.path).collect()
}

fn check(fields: &serde_json::Value, expected: &[&str]) {
    assert_eq!(problem_paths(fields), expected, "{fields}");
}

#[test]
fn nested_volumes_and_uploads_stand_in_one_list() {
    let put = |path: &str| {
        json!({
            "output_upload_type": "single_file_put", "url": "https://e.test/u", "relative_path": path,
        })
    };
    let zip = json!({ "output_upload_type": "zip_and_http_post", "url": "https://e.test/z" });
    let volume = |path: &str| {
        json!({
            "volume_type": "zip_url", "contents": "https://e.test/z.zip", "relative_path": path,
        })
    };
    let text = body(&json!({
        "volumes": [volume("a"), { "volume_type": "multi_volume", "volumes": [volume("b")] }],
        "uploads": [
            { "output_upload_type": "multi_upload", "uploads": [put("x")], "system_output": zip },
        ],
    }));
    let request = JobRequest::from_json(&text).unwrap();
    assert_eq!(request.volumes.as_ref().unwrap().len(), 2);
    assert!(matches!(
        request.uploads.as_deref(),
        Some([OutputUpload::File { .. }, OutputUpload::Zip(_)])
    ));
    assert_eq!(JobRequest::from_json(&request.to_json()).unwrap(), request);
}

#[test]
fn problems_are_reported_at_their_places() {
    check(&json!({ "args": null, "env": null, "artifacts_dir": null, "volumes": null }), &[]);
    check(&json!({ "artifacts_dir": "", "executor_class": "", "job_namespace": "" }), &[]);
    check(&json!({ "uplods": [] }), &["$.uplods"]);
    check(&json!({ "docker_image": null }), &["$.docker_image"]);
    check(&json!({ "executor_class": "always_on.tset" }), &["$.executor_class"]);
    check(&json!({ "execution_time_limit": 0 }), &["$.execution_time_limit"]);
    check(&json!({ "upload_time_limit": 9_999_999 }), &["$.upload_time_limit"]);
    check(
        &json!({ "download_time_limit": -1, "upload_time_limit": "3" }),
        &["$.download_time_limit", "$.upload_time_limit"],
    );
    check(&json!({ "job_namespace": "a\nb" }), &["$.job_namespace"]);
    check(&json!({ "streaming_details": {} }), &["$.streaming_details.public_key"]);
    check(
        &json!({ "streaming_details": { "public_key": "" } }),
        &["$.streaming_details.public_key"],
    );
    check(
        &json!({ "volumes": [{ "volume_type": "singel_file" }, 1, { "volume_type": "inline" }] }),
        &["$.volumes[0].volume_type", "$.volumes[1]", "$.volumes[2].contents"],
    );
    check(
        &json!({ "volumes": [
            { "volume_type": "multi_volume", "volumes": [{ "volume_type": "zip_url", "x": 1 }] },
        ]}),
        &["$.volumes[0].volumes[0].x", "$.volumes[0].volumes[0].contents"],
    );
    check(
        &json!({ "uploads": [
            { "output_upload_type": "zip_and_http_put", "url": "https://e.test/" },
            { "output_upload_type": "zip_and_http_put", "url": "https://e.test/" },
        ]}),
        &["$.uploads[1]"],
    );
    check(
        &json!({ "uploads": [{ "output_upload_type": "multi_upload", "uploads": [], "system_output":
            { "output_upload_type": "single_file_put", "url": "https://e.test/", "relative_path": "a" }
        }]}),
        &["$.uploads[0].system_output"],
    );
}

/// Spellings that would lead out of a directory, or are not the one that a path has.
const NASTY_PATHS: [&str; 16] = [
    "..",
    ".",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "//x",
    "a//b",
    "a/./b",
    "a/",
    "./a",
    "a\\b",
    "a\0b",
    "/",
    "~/../x/..",
    "a/..",
    "..\\x",
];

#[test]
fn keys_that_stand_twice() {
    let text = body(&serde_json::json!({}));
    let text =
        text.replacen('{', r#"{"args": ["a"], "args": ["b"], "env": {"A": "1", "A": "2"}, "#, 1);
    let errors = JobRequest::from_json(&text).unwrap_err();
    let twice = errors.problems.iter().filter(|problem| problem.message == "the key stands twice");
    let paths: Vec<&str> = twice.map(|problem| problem.path.as_str()).collect();
    assert!(paths.starts_with(&["$.args", "$.env.A"]), "{errors}");
}

#[test]
fn nasty_paths_are_refused_everywhere() {
    for path in NASTY_PATHS {
        for kind in ["inline", "zip_url", "single_file", "huggingface_volume"] {
            let mut volume = json!({ "volume_type": kind, "relative_path": path });
            match kind {
                "single_file" => volume["url"] = json!("https://e.test/"),
                "huggingface_volume" => volume["repo_id"] = json!("a/b"),
                _ => volume["contents"] = json!("https://e.test/"),
            }
            check(&json!({ "volumes": [volume] }), &["$.volumes[0].relative_path"]);
        }
        for kind in ["single_file_put", "single_file_post"] {
            let upload = json!({ "output_upload_type": kind, "url": "https://e.test/", "relative_path": path });
            check(&json!({ "uploads": [upload] }), &["$.uploads[0].relative_path"]);
        }
    }
}

#[test]
fn what_the_form_cannot_say_is_reported() {
    let spec = JobSpec::from_json(
        r#"{
            "image": "alpine", "network": true, "limits": {"download": 0.5}, "streaming": true,
            "resources": {"gpu": true},
            "input_volumes": {"/volume/x": {
                "type": "http", "url": "https://e.test/",
                "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            }},
            "output_volumes": {"/output/": {
                "type": "zip_put", "url": "https://e.test/", "signed_headers": {"a": "b"}
            }}
        }"#,
    )
    .unwrap();
    let problems = JobRequest::from_spec(&spec).unwrap_err().problems;
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    let expected = [
        "$.network",
        "$.resources",
        "$.limits.download",
        "$.limits.execute",
        r#"$.input_volumes["/volume/x"].sha256"#,
        r#"$.output_volumes["/output/"].signed_headers"#,
        "$.streaming.client_certificate",
    ];
    assert_eq!(paths, expected);
    let job = JobSpec::from_json(r#"{"job": "train", "limits": {"execute": 1}}"#).unwrap();
    assert_eq!(JobRequest::from_spec(&job).unwrap_err().problems[0].path, "$.job");
}

#[test]
fn ports_and_ssh_have_no_words_in_this_form() {
    let spec = JobSpec::from_json(
        r#"{
            "image": "alpine", "limits": { "execute": 1 },
            "ports": [{ "name": "web", "port": 80, "proto": "http" }],
            "publish": ["web:0"],
            "ssh": true,
            "streaming": { "client_certificate": "PEM", "port": "web" }
        }"#,
    );
    let problems = JobRequest::from_spec(&spec.unwrap()).unwrap_err().problems;
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["$.ports", "$.publish", "$.ssh", "$.streaming.port"]);
}

#[test]
fn secrets_are_in_no_message_and_no_debug() {
    let request = JobRequest::from_json(&body(&json!({
        "env": { "TOKEN": "secret" },
        "volumes": [
            { "volume_type": "single_file", "url": "https://e.test/?secret", "relative_path": "a" },
            { "volume_type": "huggingface_volume", "repo_id": "a/b", "token": "secret" },
            { "volume_type": "inline", "contents": "secret", "relative_path": "b" },
        ],
    })));
    assert!(!format!("{:?}", request.unwrap()).contains("secret"));
    let errors = JobRequest::from_json(&body(&json!({
        "env": { "TOKEN": ["secret"] },
        "volumes": [
            { "volume_type": "single_file", "url": "ftp://e.test/?secret", "relative_path": "a" },
            { "volume_type": "huggingface_volume", "repo_id": "a/b", "token": { "secret": 1 } },
            "secret",
        ],
    })))
    .unwrap_err();
    assert_eq!(errors.problems.len(), 4);
    assert!(!errors.to_string().contains("secret"), "{errors}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[{}\\[\\]\":,a-z0-9_.\\\\ -]{0,80}") {
        let _ = (JobRequest::from_json(&text), signed_fields(&text), full_request_text(&text));
        let _ = read_spec(&text, SpecRules::of_classes(&CLASSES));
    }

    #[test]
    fn the_payload_is_the_text_again(text in any::<String>()) {
        let payload = signature_payload(&text);
        prop_assert!(payload.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(serde_json::from_str::<String>(&payload).unwrap(), text);
    }
}

/// The SDK calls fields by other names than the API.
#[test]
fn names_of_the_sdk() {
    let body = json!({
        "docker_image": "alpine:3.19", "download_time_limit_sec": 1, "execution_time_limit_sec": 2,
        "upload_time_limit_sec": 3, "streaming_start_time_limit_sec": 4,
    });
    let request = JobRequest::from_json(&body.to_string()).unwrap();
    let limits = [
        request.download_time_limit,
        request.execution_time_limit,
        request.upload_time_limit,
        request.streaming_start_time_limit,
    ];
    assert_eq!(limits, [1, 2, 3, 4]);
    let mut wrong = body;
    wrong["upload_time_limit"] = json!(5);
    wrong["input_volumes"] = json!({});
    wrong["output_volumes"] = json!({});
    wrong["streaming"] = json!(true);
    let problems = JobRequest::from_json(&wrong.to_string()).unwrap_err().problems;
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "$.upload_time_limit_sec: `upload_time_limit` is given, too",
        "$.input_volumes: the wire form has a list `volumes`",
        "$.output_volumes: the wire form has a list `uploads`",
        "$.streaming: the wire form has `streaming_details`",
    ] {
        assert!(
            shown.iter().any(|problem| problem.starts_with(expected)),
            "{expected}: {shown:#?}"
        );
    }
    assert_eq!(shown.len(), 4, "{shown:#?}");
}
