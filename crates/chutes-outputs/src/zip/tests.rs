//! What is in the archive, what becomes of files that cannot be added, and when it is sent.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicUsize;

use chutes_core::{DeliveryState, Manifest, SinkReport};
use chutes_transfer::TransferError;
use zip::{CompressionMethod, ZipArchive};

use sha2::{Digest, Sha256};

use super::*;
use crate::delivery::Delivered;
use crate::test_run::{TestRun, tree};

/// A sink in memory that fails some times first.
#[derive(Default)]
struct Memory {
    failures: AtomicUsize,
    received: Mutex<Vec<Vec<u8>>>,
}

impl Sink for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(async {
            let mut content = Vec::new();
            file.open().unwrap().read_to_end(&mut content).unwrap();
            assert_eq!(content.len() as u64, file.bytes);
            assert_eq!(Sha256::digest(&content).as_slice(), file.sha256.as_bytes());
            if self.failures.fetch_sub(1, Ordering::SeqCst) > 0 {
                return Err(TransferError::transient("503"));
            }
            self.received.lock().unwrap().push(content);
            Ok(())
        })
    }
}

fn to_memory(run: &TestRun, memory: &Arc<Memory>) -> ZipSink {
    let file = OutputPath::new("outputs.zip").unwrap();
    let place = ZipPlace::Sink { sink: memory.clone(), file };
    ZipSink::new("zip+memory".to_owned(), Layout::Run, place, run.root())
}

fn to_file(run: &TestRun, name: &str) -> ZipSink {
    let place = ZipPlace::File(run.beside(name));
    ZipSink::new(name.to_owned(), Layout::Run, place, run.root())
}

/// Names and content, without the manifest, which is read.
fn content(zip: &[u8]) -> (BTreeMap<String, Vec<u8>>, Manifest) {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(file.name().unwrap().into_owned(), bytes);
    }
    let manifest = files.remove("manifest.json").unwrap();
    (files, serde_json::from_slice(&manifest).unwrap())
}

#[track_caller]
fn check(zip: &[u8], expected: &[(&str, &[u8])]) {
    let (files, _) = content(zip);
    let expected = expected.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    assert_eq!(files, expected.collect());
    // Nothing follows the record that ends a zip file without a comment.
    let end = &zip[zip.len() - 22..];
    assert_eq!((&end[..4], &end[20..]), (&b"PK\x05\x06"[..], &[0, 0][..]));
}

fn complete(delivered: &Delivered) -> bool {
    delivered.reports.iter().all(SinkReport::is_complete)
}

#[tokio::test]
async fn permissions_and_times_are_those_of_the_files() {
    let run = TestRun::new().with("run.sh", "#!/bin/sh").with("data", "x");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(981_173_106);
    for (name, mode) in [("run.sh", 0o755), ("data", 0o640)] {
        let path = run.path_of(FileKind::Output, name.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        File::open(path).unwrap().set_modified(time).unwrap();
    }
    assert!(complete(&run.deliver_to(to_file(&run, "out.zip")).await));
    let mut archive = ZipArchive::new(File::open(run.beside("out.zip")).unwrap()).unwrap();
    for (name, mode) in [("outputs/run.sh", 0o755), ("outputs/data", 0o640)] {
        let file = archive.by_name(name).unwrap();
        assert_eq!(file.unix_mode().unwrap() & 0o7777, mode, "{name}");
        assert_eq!(file.last_modified().unwrap().to_string(), "2001-02-03 04:05:06");
    }
}

#[tokio::test]
async fn everything_is_in_it() {
    let run = TestRun::new()
        .with("a/b", "one".repeat(10_000))
        .with(b"\xff", "two")
        .with("empty", "")
        .with_log("stdout.log", "hello");
    let delivered = run.deliver_to(to_file(&run, "new/out.zip")).await;
    assert!(complete(&delivered), "{delivered:?}");
    let zip = std::fs::read(run.beside("new/out.zip")).unwrap();
    let long = "one".repeat(10_000);
    let expected: [(&str, &[u8]); 4] = [
        ("logs/stdout.log", b"hello"),
        ("outputs/%FF", b"two"),
        ("outputs/a/b", long.as_bytes()),
        ("outputs/empty", b""),
    ];
    check(&zip, &expected);
    assert!(zip.len() < 5_000);
    let (_, manifest) = content(&zip);
    assert_eq!(manifest.undelivered(), 0);
    assert_eq!(manifest.files[0].deliveries[0].state, DeliveryState::Delivered);
    // Nothing is left beside it, nor in the directory of the run.
    assert_eq!(tree(&run.beside("new")), ["out.zip"]);
    assert_eq!(tree(&run.root()).len(), 4);
}

#[tokio::test]
async fn artifacts_have_a_folder_of_their_own() {
    let run = TestRun::new().with("a", "one").with_artifact("a", "two");
    assert!(complete(&run.deliver_to(to_file(&run, "out.zip")).await));
    let zip = std::fs::read(run.beside("out.zip")).unwrap();
    check(&zip, &[("artifacts/a", b"two"), ("outputs/a", b"one")]);
}

#[tokio::test]
async fn what_cannot_be_compressed_is_stored() {
    let mut state: u32 = 1;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(100_000)
    .collect();
    let text = "epoch,loss\n1,0.5\n".repeat(1_000);
    let run = TestRun::new().with("noise", &noise).with("text", &text);
    assert!(complete(&run.deliver_to(to_file(&run, "out.zip")).await));
    let zip = std::fs::read(run.beside("out.zip")).unwrap();
    check(&zip, &[("outputs/noise", &noise), ("outputs/text", text.as_bytes())]);
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut method = |name| archive.by_name(name).unwrap().compression();
    assert_eq!(method("outputs/noise"), CompressionMethod::Stored);
    assert_eq!(method("outputs/text"), CompressionMethod::Deflated);
}

#[tokio::test]
async fn a_file_that_cannot_be_added_leaves_no_trace() {
    let changed: Vec<u8> = (0..300_000_u32).map(|at| (at % 241) as u8).collect();
    for broken in ["a", "b", "c"] {
        let mut run = TestRun::new();
        for name in ["a", "b", "c"] {
            run = run.with(name, if name == broken { &changed[..] } else { b"right" });
        }
        std::fs::write(run.path_of(FileKind::Output, broken.as_bytes()), vec![7; 300_000]).unwrap();
        let delivered = run.deliver_to(to_file(&run, "out.zip")).await;
        assert_eq!(delivered.reports[0].failed, 1, "{delivered:?}");
        let zip = std::fs::read(run.beside("out.zip")).unwrap();
        let right = ["a", "b", "c"].into_iter().filter(|name| *name != broken);
        let names: Vec<String> = right.map(|name| format!("outputs/{name}")).collect();
        let expected: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b"right"[..])).collect();
        check(&zip, &expected);
        assert_eq!(content(&zip).1.undelivered(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn another_sink_gets_it_whole_and_again_when_that_fails() {
    let run = TestRun::new().with("a", "one");
    let memory = Arc::new(Memory { failures: AtomicUsize::new(2), ..Memory::default() });
    let delivered = run.deliver_to(to_memory(&run, &memory)).await;
    assert!(complete(&delivered), "{delivered:?}");
    let received = memory.received.lock().unwrap();
    assert_eq!(received.len(), 1);
    check(&received[0], &[("outputs/a", b"one")]);
    assert_eq!(tree(&run.root()), ["outputs/a"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_when_it_does_not_arrive() {
    let run = TestRun::new().with("a", "one").with_log("stdout.log", "hello");
    let memory = Arc::new(Memory { failures: AtomicUsize::new(100), ..Memory::default() });
    let delivered = run.deliver_to(to_memory(&run, &memory)).await;
    assert_eq!((delivered.reports[0].delivered, delivered.reports[0].failed), (0, 2));
    assert!(memory.received.lock().unwrap().is_empty());
    assert_eq!(tree(&run.root()), ["logs/stdout.log", "outputs/a"]);
}

#[tokio::test]
async fn an_earlier_zip_stays_until_the_new_one_is_whole() {
    let run = TestRun::new().with("a", "one");
    std::fs::write(run.beside("out.zip"), "old").unwrap();
    let sink = to_file(&run, "out.zip");
    let mut summary = run.summary();
    sink.begin(&summary).await.unwrap();
    // The caller did not hear of that, either.
    sink.begin(&summary).await.unwrap();
    sink.send(&run.files[0]).await.unwrap();
    assert_eq!(std::fs::read(run.beside("out.zip")).unwrap(), b"old");
    // The caller did not hear of the success, so it is sent again.
    sink.send(&run.files[0]).await.unwrap();
    summary.manifest.logs.clear();
    sink.finish(&summary).await.unwrap();
    sink.finish(&summary).await.unwrap();
    check(&std::fs::read(run.beside("out.zip")).unwrap(), &[("outputs/a", b"one")]);
    drop(sink);
    assert_eq!(tree(&run.beside("")), ["out.zip", "run/outputs/a"]);
}

#[tokio::test]
async fn places_that_are_refused() {
    let run = TestRun::new().with("a", "one");
    std::fs::create_dir(run.beside("folder")).unwrap();
    for (name, expected) in [
        ("run/outputs/out.zip", "in the directory of the run itself"),
        ("folder", "there is a directory in the place of the zip file"),
        ("run/outputs/a/out.zip", "in the directory of the run itself"),
    ] {
        let delivered = run.deliver_to(to_file(&run, name)).await;
        let error = delivered.reports[0].error.as_deref().unwrap();
        assert!(error.contains(expected), "{error}");
        assert_eq!(tree(&run.root()), ["outputs/a"]);
    }
}
