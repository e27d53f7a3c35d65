//! Job binaries: in an image, and instead of one.

use chutes::outcome::FailureKind;
use chutes_test_support::containers::image;
use chutes_test_support::record::collected;
use chutes_test_support::servers::http::HttpServer;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::programs::JOBS;
use crate::stage::{Stage, inline, with};

/// A spec with a job of the test binary in a container; its outputs are those of the container.
fn inside(job: &str, data: &Value) -> Value {
    let data = data.to_string();
    let args = [
        &["test-jobs", "run", job, "--data", &data],
        &["--run-dir", "/tmp/run", "--output", "/output"][..],
    ];
    json!({"image": image::JOB_BINARY, "args": args.concat()})
}

/// A job of the test binary without a container.
fn app(job: &str, data: &Value) -> Value {
    json!({"app": JOBS, "job": job, "data": data})
}

#[test]
fn job_binary_in_an_image() {
    let stage = Stage::new();
    let ended = stage.complete(&inside("leaves_a_helper", &json!({"files": 2})));
    let found = collected(&ended.outcome);
    for name in ["outputs/part-0/0.txt", "outputs/part-1/1.txt"] {
        assert!(found.contains(&name), "{found:?}");
    }
}

/// The job is cancelled before its container is removed.
#[test]
fn job_binary_in_an_image_is_cancelled() {
    let stage = Stage::new();
    let mut spec = inside("waits_for_a_file", &json!(null));
    spec["limits"] = json!({"grace": "40s"});
    let mut running = stage.start(&spec);
    running.wait_for("ready");
    running.signal(Signal::INT);
    let ended = stage.ended(running.finish());
    ended.check(130, "cancelled", FailureKind::Cancelled, &[]);
    // A supervisor that was killed leaves no manifest.
    let found = collected(&ended.outcome);
    assert!(found.contains(&"manifest.json"), "{found:?}");
}

#[test]
fn app_with_volumes() {
    let stage = Stage::new();
    let server = HttpServer::of([]);
    let more = json!({
        "input_volumes": {"/volume": inline(&[("a", b"1")])},
        "output_volumes": {
            "/output/part-0/0.txt": {"type": "http_put", "url": server.url("/0")},
        },
    });
    let ended = stage.complete(&with(app("leaves_a_helper", &json!({"files": 1})), more));
    assert_eq!(collected(&ended.outcome), ["part-0/0.txt"]);
    assert_eq!(stage.text("inputs/a"), "1");
    assert_eq!(server.requests()[0].body, stage.read("outputs/part-0/0.txt"));
    let job = serde_json::to_value(&ended.outcome).unwrap()["job"].clone();
    assert_eq!(job, "leaves_a_helper");
}

#[test]
fn app_without_that_job() {
    let stage = Stage::new();
    let finished = stage.start(&app("no_such_job", &json!({}))).finish();
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("no_such_job"), "{finished:#?}");
}

#[test]
fn app_that_is_not_there() {
    let stage = Stage::new();
    let spec = json!({"app": "./none", "job": "train"});
    let finished = stage.start(&spec).finish();
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("./none"), "{finished:#?}");
}
