//! Files that are delivered while the job goes on.

use chutes_test_support::servers::s3::{BUCKET, S3Server};
use chutes_test_support::{Running, Sandbox, start, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{command, output};
use crate::programs::new_sandbox;

/// Starts `writes_checkpoints` with live delivery to a folder and to S3. Events come to standard error.
fn begin(server: &S3Server, sandbox: &Sandbox) -> Running {
    let more = ["--output", "backup", "--output", "s3://results", "--live", "--events", "fd:2"];
    let mut command = command(sandbox, "writes_checkpoints", &json!({}), &more);
    command.envs(server.environment());
    start(command)
}

/// The event of a file that has arrived at a sink.
fn arrival(path: &str, sink: &str) -> String {
    format!(r#""event":"file","kind":"output","path":"{path}","sink":"{sink}","state":"delivered""#)
}

#[test]
fn a_checkpoint_that_changes() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let mut running = begin(&server, &sandbox);
    let backup = sandbox.path("backup").display().to_string();
    for sink in [backup.as_str(), "s3://results"] {
        running.wait_for(&arrival("checkpoint.bin", sink));
    }
    let local = || std::fs::read(sandbox.path("backup/outputs/checkpoint.bin")).unwrap();
    let remote = || server.files(BUCKET)["outputs/checkpoint.bin"].clone();
    assert_eq!((local(), remote()), (b"first".to_vec(), b"first".to_vec()));
    // A manifest at a sink means that everything has arrived, so there is none yet.
    assert!(!sandbox.path("backup/manifest.json").exists());
    assert!(!server.files(BUCKET).contains_key("manifest.json"));

    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    wait_until("the new checkpoint arrives", || local() == b"second" && remote() == b"second");
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    let outcome = finished.outcome();
    assert!(outcome.sinks.iter().all(chutes::sink::SinkReport::is_complete), "{outcome:#?}");
    let keys: Vec<_> = server.files(BUCKET).into_keys().collect();
    let expected = [
        "logs/stderr.log",
        "logs/stdout.log",
        "manifest.json",
        "outputs/checkpoint.bin",
        "outputs/last.txt",
    ];
    assert_eq!(keys, expected);
    for path in ["checkpoint.bin", "last.txt"] {
        let content = output(&sandbox, path);
        assert_eq!(std::fs::read(sandbox.path("backup/outputs").join(path)).unwrap(), content);
        assert_eq!(server.files(BUCKET)[&format!("outputs/{path}")], content);
    }
    assert!(sandbox.path("backup/manifest.json").exists());
    // Files that had arrived in their final form were not sent again.
    assert_eq!(server.arrivals()["outputs/checkpoint.bin"], 2);
    assert_eq!(server.arrivals()["outputs/last.txt"], 1);
}

/// A file that is changed at the last moment arrives in its last form.
#[test]
fn a_checkpoint_that_changes_at_the_end() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let mut running = begin(&server, &sandbox);
    running.wait_for(&arrival("checkpoint.bin", "s3://results"));
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert_eq!(output(&sandbox, "checkpoint.bin"), b"second");
    assert_eq!(server.files(BUCKET)["outputs/checkpoint.bin"], b"second");
    let local = std::fs::read(sandbox.path("backup/outputs/checkpoint.bin")).unwrap();
    assert_eq!(local, b"second");
    assert!(finished.outcome().sinks.iter().all(chutes::sink::SinkReport::is_complete));
}
