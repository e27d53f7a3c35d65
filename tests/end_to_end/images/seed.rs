//! What ComputeHorde's own executor tests show: a whole run with inputs, outputs and artifacts.

use chutes::Outcome;
use chutes::manifest::FileState;
use chutes_test_support::containers::image;
use chutes_test_support::record::{collected, statuses};
use chutes_test_support::servers::form;
use chutes_test_support::servers::http::{Act, HttpServer, answer};
use chutes_test_support::servers::inputs::{InputServer, Served};
use serde_json::json;

use crate::stage::{Stage, inline, noise, shell, with};

/// The statuses of a run with volumes that completes.
const STATUSES: [&str; 6] =
    ["received", "accepted", "executor_ready", "volumes_ready", "execution_done", "completed"];

/// The names of the artifacts that were collected, sorted.
fn artifacts(outcome: &Outcome) -> Vec<&str> {
    let is_collected = |state: &FileState| matches!(state, FileState::Collected { .. });
    let files = outcome.artifacts.iter().filter(|file| is_collected(&file.state));
    files.map(|file| file.path.as_str().unwrap()).collect()
}

#[test]
fn payload_is_printed_and_outputs_are_collected() {
    let stage = Stage::new();
    let spec = json!({
        "image": image::PLAIN,
        "args": ["/seed.sh"],
        "input_volumes": {"/volume/": inline(&[("payload.txt", b"the payload\n")])},
    });
    let ended = stage.complete(&spec);
    assert_eq!(stage.text("logs/stdout.log"), "the payload\n");
    assert_eq!(stage.text("logs/stderr.log"), "to standard error\n");
    assert_eq!(collected(&ended.outcome), ["file1.txt", "file2.txt"]);
    let outputs = ["outputs/file1.txt", "outputs/file2.txt"].map(|name| stage.text(name));
    assert_eq!(outputs, ["one", "two"]);
    assert_eq!(artifacts(&ended.outcome), [""; 0]);
    assert_eq!(stage.text("inputs/payload.txt"), "the payload\n");
}

/// In the events and in the journal, each of them once.
#[test]
fn statuses_come_in_order() {
    let stage = Stage::new();
    let volumes = json!({"input_volumes": {"/volume": inline(&[("a", b"1")])}});
    let ended = stage.complete(&with(shell("true"), volumes));
    assert_eq!(ended.statuses(), STATUSES);
    // There the outcome stands for the last one.
    assert_eq!(statuses(&stage.path("")), STATUSES[..5]);
    let phases = ended.outcome.phases.iter().map(|report| report.phase.as_str());
    assert_eq!(phases.collect::<Vec<_>>(), ["start", "download", "execute", "upload"]);
}

/// Empty, of one byte, with a blank in its name, with all bytes. What has a million bytes is collected,
/// too; the result, which is held in memory, says that it left it out, where ComputeHorde says nothing.
#[test]
fn artifacts_are_returned() {
    let stage = Stage::new();
    let spec = json!({
        "image": image::PLAIN,
        "args": ["/seed.sh"],
        "artifacts_dir": "/artifacts",
        "input_volumes": {"/volume": inline(&[("payload.txt", b"x")])},
    });
    let ended = stage.complete(&spec);
    let expected =
        ["100k zeros", "All-BYTES.bin", "a-million", "empty.bin", "just-below", "text.txt"];
    assert_eq!(artifacts(&ended.outcome), expected);
    assert_eq!(stage.read("artifacts/All-BYTES.bin"), (0..=255).collect::<Vec<u8>>());
    assert_eq!(stage.read("artifacts/100k zeros"), vec![0; 100_000]);
    assert_eq!(stage.read("artifacts/empty.bin"), b"");
    assert_eq!(stage.read("artifacts/a-million").len(), 1_000_000);
    let returned: Vec<_> = ended.result.artifacts.keys().map(String::as_str).collect();
    let expected = ["100k zeros", "All-BYTES.bin", "empty.bin", "just-below", "text.txt"];
    assert_eq!(returned, expected.map(|name| format!("/artifacts/{name}")));
    let all_bytes = &ended.result.artifacts["/artifacts/All-BYTES.bin"];
    assert_eq!(*all_bytes, (0..=255).collect::<Vec<u8>>());
    let [left_out] = &ended.result.artifacts_left_out[..] else { panic!("{ended:#?}") };
    assert_eq!((&*left_out.path, left_out.size), ("/artifacts/a-million", 1_000_000));
    // Artifacts are no outputs.
    assert_eq!(collected(&ended.outcome), ["file1.txt", "file2.txt"]);
}

#[test]
fn artifacts_of_folders_are_returned_too() {
    let stage = Stage::new();
    let script = "mkdir -p /results/a/b; printf deep > /results/a/b/c; printf top > /results/.d";
    let ended = stage.complete(&with(shell(script), json!({"artifacts_dir": "/results/"})));
    assert_eq!(artifacts(&ended.outcome), [".d", "a/b/c"]);
    assert_eq!(stage.text("artifacts/a/b/c"), "deep");
}

#[test]
fn without_arguments_the_image_says_what_runs() {
    let stage = Stage::new();
    let spec = json!({"image": image::COMMAND, "env": {"OURS": "a=b c", "EMPTY": ""}});
    stage.complete(&spec);
    let printed = stage.text("logs/stdout.log");
    for line in ["GREETING=hello", "OURS=a=b c", "EMPTY="] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    // Nothing of the environment of the caller.
    assert!(!printed.contains("DOCKER_HOST"), "{printed}");
}

/// One spec with everything: an inline volume, two files from servers, artifacts, an output by PUT and
/// one by POST. Everything arrives byte by byte.
#[test]
fn everything_at_once() {
    let (first, second) = (noise(3_000_000, 1), noise(70_001, 2));
    let inputs = InputServer::start([
        ("/first", Served::new(first.clone())),
        ("/second", Served::new(second.clone()).without_length()),
    ]);
    let acts = [answer(200, "ETag: \"put\"\r\n", "taken"), answer(201, "X-Place: 7\r\n", "made")];
    let [put, post] = acts.map(|answer| HttpServer::of([Act::Answer(answer)]));
    let script = "cat /volume/folder/payload.txt; cp /volume/first.bin /output/a.bin; \
        cp /volume/deep/second.bin /output/b.bin; cat /volume/first.bin > /results/copy.bin";
    let spec = with(
        shell(script),
        json!({
            "artifacts_dir": "/results",
            "executor_class": "always_on.test",
            "namespace": "SN123.1.0",
            "input_volumes": {
                "/volume/folder": inline(&[("payload.txt", b"inline")]),
                "/volume/first.bin": {"type": "http", "url": inputs.url("/first")},
                "/volume/deep/second.bin": {"type": "http", "url": inputs.url("/second")},
            },
            "output_volumes": {
                "/output/a.bin": {
                    "type": "http_put",
                    "url": put.url("/put?signature=s3cret"),
                    "signed_headers": {"X-Signed": "yes"},
                },
                "/output/b.bin": {
                    "type": "http_post", "url": post.url("/post"), "form_fields": {"key": "k 1"},
                },
            },
        }),
    );
    let ended = complete_whole(&spec, &first);
    let [put, post] = [put, post].map(|server| {
        let [request] = &server.requests()[..] else { panic!("not one request") };
        request.clone()
    });
    assert_eq!((&*put.method, put.header("x-signed")), ("PUT", Some("yes")));
    assert!(put.body == first, "other bytes by PUT");
    let parts = form::parts(&post);
    assert_eq!((&*parts[0].name, &*parts[0].content), ("key", &b"k 1"[..]));
    assert_eq!(parts[1].file_name.as_deref(), Some("b.bin"));
    assert!(parts[1].content == second, "other bytes by POST");
    let responses = ended.sinks.iter().flat_map(|sink| &sink.responses);
    let mut responses: Vec<_> = responses.map(|one| (&*one.file, one.status, &*one.body)).collect();
    responses.sort_unstable();
    assert_eq!(responses, [("a.bin", 200, "taken"), ("b.bin", 201, "made")]);
    assert!(ended.sinks.iter().all(|sink| sink.declared && sink.is_complete()));
}

/// Runs it, and checks what the container read and returned.
#[track_caller]
fn complete_whole(spec: &serde_json::Value, first: &[u8]) -> Outcome {
    let stage = Stage::new();
    let ended = stage.complete(spec);
    assert_eq!(stage.text("logs/stdout.log"), "inline");
    assert!(stage.read("artifacts/copy.bin") == first, "other bytes in the artifact");
    let answers = ["a.bin", "b.bin"].map(|file| &ended.result.upload_results[file]);
    assert_eq!(answers.map(|answer| &*answer.body), ["taken", "made"]);
    assert_eq!(answers[0].headers["etag"], "\"put\"");
    assert_eq!(ended.statuses(), STATUSES);
    assert_eq!(ended.finished.warnings(), [""; 0]);
    // A signature is a secret.
    for name in ["run.jsonl", "manifest.json"] {
        let text = stage.text(name);
        assert!(!text.contains("s3cret"), "{name}: {text}");
    }
    assert!(!ended.finished.stdout.contains("s3cret") && !ended.finished.stderr.contains("s3cret"));
    ended.outcome
}
