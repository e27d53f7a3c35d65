//! `chutes spec validate` finds what can be found before a run, each with its place.

use std::process::Command;

use chutes_test_support::{Finished, Sandbox, finish};
use serde_json::{Value, json};

use crate::programs::new_sandbox;
use crate::stage::{inline, with};

/// `chutes` with these arguments. No engine is there, and none is needed.
fn chutes(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let program = sandbox.programs().neighbour("chutes");
    sandbox.program(&[&[program.to_str().unwrap()][..], arguments].concat())
}

fn validate(spec: &Value) -> Finished {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
    finish(chutes(&sandbox, &["spec", "validate", "spec.json"]))
}

fn image(more: Value) -> Value {
    with(json!({"image": "localhost/x:1"}), more)
}

/// The spec is refused with these places, and with no others.
#[track_caller]
fn check_places(finished: &Finished, expected: &[&str]) {
    assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:#?}");
    let problems =
        finished.stderr.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
    let places: Vec<&str> = problems.map(|(place, _)| place).collect();
    assert_eq!(places, expected, "{finished:#?}");
}

/// Parts that only the component can judge which would use them: a run is refused as well.
#[test]
fn what_a_run_is_rejected_for() {
    let pem = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let output = |volume: Value| json!({"output_volumes": {"/output/a": volume}});
    let with_header = |kind: &str, name: &str, value: &str| {
        let headers = json!({name: value});
        output(json!({"type": kind, "url": "https://x.test/", "signed_headers": headers}))
    };
    let certificate = |pem: &str| json!({"streaming": {"client_certificate": pem}});
    let at_header = |name: &str| format!(r#"$.output_volumes["/output/a"].signed_headers{name}"#);
    for (more, place) in [
        (json!({"ssh": {"public_keys": ["ssh-ed25519 AAAA"]}}), "$.ssh.public_keys[0]"),
        (certificate("ssh-ed25519 AAAA"), "$.streaming.client_certificate"),
        (certificate(pem), "$.streaming.client_certificate"),
        (with_header("http_put", "Content-Length", "3"), &at_header(r#"["Content-Length"]"#)),
        (with_header("http_put", "a b", "c"), &at_header(r#"["a b"]"#)),
        (with_header("http_put", "x", "a\nb"), &at_header(".x")),
        (with_header("http_post", "Content-Type", "a/b"), &at_header(r#"["Content-Type"]"#)),
        (
            output(
                json!({"type": "http_post", "url": "https://x.test/", "form_fields": {"file": "x"}}),
            ),
            r#"$.output_volumes["/output/a"].form_fields.file"#,
        ),
        (
            json!({"input_volumes": {"/volume/m": {"type": "huggingface", "repo_id": "a/b", "token": "hf_é"}}}),
            r#"$.input_volumes["/volume/m"].token"#,
        ),
    ] {
        let spec = image(more);
        check_places(&validate(&spec), &[place]);
        let sandbox = new_sandbox();
        std::fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
        check_places(&finish(chutes(&sandbox, &["exec", "spec.json"])), &[place]);
        assert_eq!(sandbox.entries(), ["spec.json"]);
    }
}

/// Zip files in the spec would end a run whose inputs are put in place: `download_failed`.
#[test]
fn what_a_download_would_fail_for() {
    let not_base64 = json!({"type": "inline", "contents": "!!"});
    let not_a_zip = json!({"type": "inline", "contents": "aGVsbG8gd29ybGQ="});
    let spec = image(json!({"input_volumes": {
        "/volume/a": not_base64,
        "/volume/b": [inline(&[("good", b"1")]), not_a_zip],
        "/volume/c": inline(&[("good", b"1"), ("../evil", b"2")]),
        "/volume/d": inline(&[("good/x", b"1")]),
    }}));
    let finished = validate(&spec);
    check_places(
        &finished,
        &[
            r#"$.input_volumes["/volume/a"].contents"#,
            r#"$.input_volumes["/volume/b"][1].contents"#,
            r#"$.input_volumes["/volume/c"].contents"#,
        ],
    );
    for said in ["not base64", "not a whole zip file", "`../evil` in the zip file"] {
        assert!(finished.stderr.contains(said), "{finished:#?}");
    }
}

/// Everything that is wrong is said at once, in the form that the spec has.
#[test]
fn in_the_form_of_compute_horde() {
    let finished = validate(&json!({
        "docker_image": "localhost/x:1", "executor_class": "always_on.tset",
        "download_time_limit": 1, "execution_time_limit": 2, "upload_time_limit": 3,
        "streaming_details": {"public_key": "no certificate"},
        "volumes": [{"volume_type": "inline", "contents": "!!", "relative_path": "x"}],
    }));
    let places = ["$.executor_class", "$.volumes[0].contents", "$.streaming_details.public_key"];
    check_places(&finished, &places);
}

#[test]
fn a_spec_in_order() {
    let finished = validate(&image(json!({"input_volumes": {"/volume": inline(&[("a", b"1")])}})));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.stdout, "the spec is in order: it runs localhost/x:1\n");
}
