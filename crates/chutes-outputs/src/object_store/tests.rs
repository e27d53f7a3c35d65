//! Deliveries to a store in memory.

mod s3;
mod whole;

use chutes_core::{Delivery, OutputFile, RunId};
use chutes_transfer::TransferError;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::*;
use crate::http::reading::tests::{changed_source, source};

const NAME: &str = "s3://bucket/runs/1";

/// Small sizes, with which few files have everything.
const SMALL: Sizes = Sizes { whole: MIB, part: MIB, memory: 4 };

fn in_memory() -> (Arc<InMemory>, StoreSink) {
    let store = Arc::new(InMemory::new());
    let sink = StoreSink::with_store(store.clone(), Path::from("runs/1"), NAME.into(), SMALL);
    (store, sink)
}

fn run(files: &[(&SourceFile, DeliveryState)]) -> RunSummary {
    let run_id = RunId::from_bytes([7; 16]);
    let listed = files.iter().map(|(file, state)| {
        let collected = FileState::Collected { bytes: file.bytes, sha256: file.sha256 };
        let delivery = Delivery { sink: NAME.into(), state: state.clone() };
        let deliveries = vec![delivery];
        OutputFile { deliveries, ..OutputFile::new(file.path.clone(), collected) }
    });
    let manifest =
        Manifest { run_id, files: listed.collect(), logs: Vec::new(), artifacts: Vec::new() };
    let ending = chutes_core::Ending::Completed;
    RunSummary { run_id, ending, result: None, manifest }
}

/// More than one part, and the last one not full.
fn large() -> Vec<u8> {
    (0..2_600_001_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

async fn content(store: &InMemory, key: &str) -> Option<Vec<u8>> {
    let found = store.get(&Path::from(key)).await.ok()?;
    Some(found.bytes().await.unwrap().to_vec())
}

fn sent(file: &SourceFile) -> u64 {
    file.sent.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn a_whole_delivery() {
    let (store, sink) = in_memory();
    let (empty, big) = (source(b"a/empty", b""), source(b"big.bin", &large()));
    let log = changed_source(FileKind::Log, b"stdout.log", b"hello", b"hello");
    let run = run(&[(&empty, DeliveryState::Delivered), (&big, DeliveryState::Delivered)]);
    sink.begin(&run).await.unwrap();
    for file in [&empty, &big, &log] {
        sink.send(file).await.unwrap();
    }
    assert_eq!(content(&store, "runs/1/manifest.json").await, None);
    sink.finish(&run).await.unwrap();
    assert_eq!(content(&store, "runs/1/outputs/a/empty").await.unwrap(), b"");
    assert!(content(&store, "runs/1/outputs/big.bin").await.unwrap() == large());
    assert_eq!(content(&store, "runs/1/logs/stdout.log").await.unwrap(), b"hello");
    let manifest = content(&store, "runs/1/manifest.json").await.unwrap();
    assert_eq!(serde_json::from_slice::<Manifest>(&manifest).unwrap(), run.manifest);
    assert_eq!(store.list(None).count().await, 4);
}

#[tokio::test]
async fn artifacts_have_a_folder_of_their_own() {
    let (store, sink) = in_memory();
    let artifact = changed_source(FileKind::Artifact, b"a", b"two", b"two");
    sink.begin(&run(&[])).await.unwrap();
    sink.send(&artifact).await.unwrap();
    assert_eq!(content(&store, "runs/1/artifacts/a").await.unwrap(), b"two");
    // Before it is there, the delivery is not complete.
    let mut run = run(&[]);
    let state = FileState::Collected { bytes: 3, sha256: artifact.sha256 };
    run.manifest.artifacts = vec![OutputFile::new(artifact.path.clone(), state)];
    let error = sink.finish(&run).await.unwrap_err();
    assert!(error.message.contains("1 file is missing"), "{error}");
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let (store, sink) = in_memory();
    for content in [b"hello".to_vec(), large()] {
        let file = source(b"a", &content);
        let run = run(&[(&file, DeliveryState::Delivered)]);
        sink.begin(&run).await.unwrap();
        sink.send(&file).await.unwrap();
        let before = store.head(&Path::from("runs/1/outputs/a")).await.unwrap();
        sink.begin(&run).await.unwrap();
        sink.send(&file).await.unwrap();
        assert_eq!(store.head(&Path::from("runs/1/outputs/a")).await.unwrap(), before);
    }
    // The same size is not enough.
    let run = run(&[]);
    for content in [b"other", b"hello"] {
        sink.begin(&run).await.unwrap();
        sink.send(&source(b"b", content)).await.unwrap();
    }
    assert_eq!(content(&store, "runs/1/outputs/b").await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_changed_file_never_arrives() {
    let (store, sink) = in_memory();
    let content = large();
    let longer = [&content[..], b"x"].concat();
    for (collected, now) in
        [(&b"hello"[..], &b"hellO"[..]), (&content, &longer), (&content, &content[1..])]
    {
        let file = changed_source(FileKind::Output, b"a", collected, now);
        let error = sink.send(&file).await.unwrap_err();
        assert_eq!(error, TransferError::permanent("it was changed after it was collected"));
    }
    assert_eq!(store.list(None).count().await, 0);
}

#[tokio::test]
async fn a_manifest_says_that_everything_is_there() {
    let (store, sink) = in_memory();
    let file = source(b"a", b"hello");
    sink.finish(&run(&[(&file, DeliveryState::Delivered)])).await.unwrap();
    assert!(content(&store, "runs/1/manifest.json").await.is_some());
    let failed = run(&[(&file, DeliveryState::Failed { reason: "403".into() })]);
    sink.begin(&failed).await.unwrap();
    assert_eq!(content(&store, "runs/1/manifest.json").await, None);
    let expected =
        TransferError::permanent("manifest.json was not written, because 1 file is missing");
    assert_eq!(sink.finish(&failed).await, Err(expected));
    let mut elsewhere = run(&[(&file, DeliveryState::Delivered)]);
    elsewhere.manifest.files[0].deliveries[0].sink = "/backup".into();
    assert!(sink.finish(&elsewhere).await.is_err());
    assert_eq!(content(&store, "runs/1/manifest.json").await, None);
}
