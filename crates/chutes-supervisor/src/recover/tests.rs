//! Recovery of runs that this process has started.

use chutes_core::{EndStatus, FileKind, OutputPath, Sha256Digest, SinkSpec};

use super::*;
use crate::run_log::{AnsweredArrival, Arrival, Arrivals};
use crate::testing::{attempt, execute};

/// A journal that is cut off anywhere reads as one without its last records: no record is invented, and no whole
/// record is lost.
#[tokio::test]
async fn cut_off_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = (folder.path().join("run"), folder.path().join("run/run.jsonl"));
    execute(&path).await;
    let bytes = std::fs::read(&journal).unwrap();
    let end_of = |kind: &str| {
        let text = std::str::from_utf8(&bytes).unwrap();
        let begin = text.find(&format!("\"{kind}\":")).unwrap();
        begin + text[begin..].find('\n').unwrap() + 1
    };
    let (first, execution, collected) = (end_of("run"), end_of("execution"), end_of("collected"));
    for length in 0..=bytes.len() {
        std::fs::write(&journal, &bytes[..length]).unwrap();
        match find(&path, &[]) {
            Err(RecoverError::Empty) => assert!(length < first),
            Ok(Found::Unfinished(run)) => {
                assert!((first..bytes.len()).contains(&length) && !run.damaged);
                assert_eq!(run.history.execution.is_some(), length >= execution);
                assert_eq!(run.manifest.is_some(), length >= collected);
            }
            Ok(Found::Settled(outcome)) => {
                assert_eq!(length, bytes.len());
                assert_eq!(outcome.status(), EndStatus::Completed);
            }
            Err(error) => panic!("{length}: {error}"),
        }
    }
    assert!(!folder.path().join("run/run.jsonl.damaged").exists());
}

/// Recovery does not upload the files of a job that forbids uploads.
#[tokio::test]
async fn a_run_that_delivers_nothing() {
    for upload in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (path, sink) = (folder.path().join("run"), folder.path().join("sink"));
        let sinks = vec![SinkSpec::directory(sink.clone())];
        let created = attempt(&path, upload, sinks).create().unwrap();
        std::fs::write(created.directory().outputs().join("word.txt"), "word").unwrap();
        drop(created);
        let Ok(Found::Unfinished(run)) = find(&path, &[]) else { panic!("{upload}") };
        let outcome = run.finish().await;
        assert_eq!(outcome.status(), EndStatus::PlatformFailed);
        assert_eq!(outcome.outputs.len(), 1);
        assert_eq!(sink.join("outputs/word.txt").exists(), upload);
    }
}

/// A file that was delivered early, changed, delivered again and changed back is delivered a third time.
#[test]
fn the_last_content_counts() {
    let path = OutputPath::new(*b"model.bin").unwrap();
    let digest = |byte: u8| Sha256Digest::from_bytes([byte; 32]);
    let manifest = |byte: u8| {
        let state = chutes_core::FileState::Collected { bytes: 1, sha256: digest(byte) };
        let files = vec![chutes_core::OutputFile::new(path.clone(), state)];
        let run_id = chutes_core::RunId::from_bytes([7; 16]);
        Manifest { run_id, files, logs: Vec::new(), artifacts: Vec::new() }
    };
    let mut arrivals = Arrivals::default();
    for byte in [1, 2] {
        let kind = FileKind::Output;
        let arrival = Arrival { sink: 0, kind, path: path.clone(), sha256: digest(byte) };
        arrivals.insert(AnsweredArrival { arrival, to: "s".into(), responses: Vec::new() });
    }
    assert_eq!(arrivals.unchanged(&manifest(1)).len(), 0);
    assert_eq!(arrivals.unchanged(&manifest(2)).len(), 1);
}
