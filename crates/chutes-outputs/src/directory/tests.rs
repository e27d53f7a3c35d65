//! What is in the target, what is refused, and what an earlier life of the supervisor left.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use chutes_core::{DeliveryState, Manifest, OutputPath, Sha256Digest, SinkReport};
use sha2::{Digest, Sha256};

use super::*;
use crate::delivery::Delivered;
use crate::test_run::{TestRun, tree};

fn sink(run: &TestRun) -> DirectorySink {
    DirectorySink::new(run.beside("target"), run.root())
}

#[track_caller]
fn check_complete(delivered: &Delivered) {
    assert!(delivered.reports.iter().all(SinkReport::is_complete), "{delivered:?}");
}

/// Why the first file is not there.
fn reason(delivered: &Delivered) -> &str {
    match &delivered.states[0][0] {
        DeliveryState::Failed { reason } => reason,
        state => panic!("{state:?}"),
    }
}

fn a_run() -> TestRun {
    TestRun::new()
        .with("a", "one")
        .with("b/c/d", "two")
        .with(b"b/\xff\n", "")
        .with_log("stdout.log", "hello")
}

/// A path that is longer than the system takes at once.
#[tokio::test]
async fn deep_paths() {
    let mut run = TestRun::new();
    let name = "d".repeat(250);
    let path = [name.as_str(); 17].join("/");
    let content = Sha256Digest::from_bytes(Sha256::digest(b"deep").into());
    let file = run.beside("deep");
    std::fs::write(&file, "deep").unwrap();
    let path = OutputPath::new(path.as_bytes()).unwrap();
    let open = Arc::new(move |_: FileKind, _: &OutputPath| File::open(&file));
    run.files.push(SourceFile::new(FileKind::Output, path, 4, content, open));
    check_complete(&run.deliver_to(sink(&run)).await);
}

/// Also one that is there already, with other permissions.
#[tokio::test]
async fn executables_stay_executable() {
    let run = TestRun::new().with("run.sh", "#!/bin/sh").with("data", "x").with("setuid", "x");
    for (name, mode) in [("run.sh", 0o755), ("data", 0o644), ("setuid", 0o4711)] {
        let path = run.path_of(FileKind::Output, name.as_bytes());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    for _ in 0..2 {
        check_complete(&run.deliver_to(sink(&run)).await);
        for (name, expected) in [("run.sh", 0o700), ("data", 0o600), ("setuid", 0o700)] {
            let path = run.beside("target/outputs").join(name);
            let found = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, expected, "{name}");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
        }
    }
}

#[tokio::test]
async fn everything_is_there_and_the_manifest_says_so() {
    for run in [a_run(), a_run().fingerprinted()] {
        let delivered = run.deliver_to(sink(&run)).await;
        check_complete(&delivered);
        let target = run.beside("target");
        let expected =
            ["logs/stdout.log", "manifest.json", "outputs/a", "outputs/b/c/d", "outputs/b/%FF\n"];
        let mut expected = expected.map(ToOwned::to_owned);
        expected.sort();
        assert_eq!(tree(&target), expected);
        assert_eq!(std::fs::read(target.join("outputs/b/c/d")).unwrap(), b"two");
        let manifest = std::fs::read(target.join("manifest.json")).unwrap();
        let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest.logs[0].deliveries[0].state, DeliveryState::Delivered);
        for (path, mode) in [("", 0o700), ("outputs/b/c", 0o700), ("outputs/b/c/d", 0o600)] {
            let found = std::fs::metadata(target.join(path)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
    }
}

#[tokio::test]
async fn artifacts_have_a_folder_of_their_own() {
    let run = TestRun::new().with("a", "one").with_artifact("b/a", "two");
    let delivered = run.deliver_to(sink(&run)).await;
    check_complete(&delivered);
    let expected = ["artifacts/b/a", "manifest.json", "outputs/a"];
    assert_eq!(tree(&run.beside("target")), expected);
}

#[tokio::test]
async fn a_large_file_is_copied_in_steps() {
    let content: Vec<u8> = (0..9_000_000_u32).map(|at| (at % 251) as u8).collect();
    for run in
        [TestRun::new().with("x", &content), TestRun::new().with("x", &content).fingerprinted()]
    {
        check_complete(&run.deliver_to(sink(&run)).await);
        assert!(std::fs::read(run.beside("target/outputs/x")).unwrap() == content);
        let (sink, file) = (sink(&run), &run.files[0]);
        sink.begin(&run.summary()).await.unwrap();
        std::fs::remove_file(run.beside("target/outputs/x")).unwrap();
        file.sent.store(0, Ordering::Relaxed);
        sink.send(file).await.unwrap();
        assert_eq!(file.sent.load(Ordering::Relaxed), 9_000_000);
    }
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_collected_is_not_delivered() {
    for run in [TestRun::new().with("a", "one"), TestRun::new().with("a", "one").fingerprinted()] {
        for content in ["two", "on", "ones"] {
            std::fs::write(run.path_of(FileKind::Output, b"a"), content).unwrap();
            let delivered = run.deliver_to(sink(&run)).await;
            assert_eq!(reason(&delivered), "it was changed after it was collected", "{content}");
            assert_eq!(tree(&run.beside("target")), ["manifest-incomplete.json"]);
        }
        // Its content counts, not when it was written.
        std::fs::write(run.path_of(FileKind::Output, b"a"), "one").unwrap();
        check_complete(&run.deliver_to(sink(&run)).await);
        assert_eq!(tree(&run.beside("target")), ["manifest.json", "outputs/a"]);
    }
}

#[tokio::test]
async fn a_file_that_is_gone_or_cannot_be_read() {
    let run = TestRun::new().with("a", "one").with("b", "two");
    std::fs::remove_file(run.path_of(FileKind::Output, b"a")).unwrap();
    let delivered = run.deliver_to(sink(&run)).await;
    assert!(reason(&delivered).starts_with("it cannot be opened: "), "{delivered:?}");
    assert_eq!(tree(&run.beside("target")), ["manifest-incomplete.json", "outputs/b"]);
}

#[tokio::test]
async fn links_in_the_target_are_not_followed() {
    let run = TestRun::new().with("a/x", "one").with("b", "two");
    let (target, outside) = (run.beside("target"), run.beside("outside"));
    std::fs::create_dir_all(target.join("outputs")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("b"), "mine").unwrap();
    symlink(&outside, target.join("outputs/a")).unwrap();
    symlink(outside.join("b"), target.join("outputs/b")).unwrap();
    let delivered = run.deliver_to(sink(&run)).await;
    assert!(reason(&delivered).contains("links are not followed"), "{delivered:?}");
    assert_eq!(delivered.states[0][1], DeliveryState::Delivered);
    assert_eq!(tree(&outside), ["b"]);
    assert_eq!(std::fs::read(outside.join("b")).unwrap(), b"mine");
    assert_eq!(std::fs::read(target.join("outputs/b")).unwrap(), b"two");
}

#[tokio::test]
async fn a_part_of_the_directory_of_the_run_is_refused() {
    let run = TestRun::new().with("a", "one");
    symlink(run.root(), run.beside("link")).unwrap();
    for target in ["run", "run/outputs", "run/outputs/new/er", "link/outputs/x", "other/../run/x"] {
        let target = DirectorySink::new(run.beside(target), run.root());
        let delivered = run.deliver_to(target).await;
        assert!(reason(&delivered).contains("in the directory of the run itself"), "{delivered:?}");
        assert_eq!(tree(&run.root()), ["outputs/a"]);
        assert!(!run.root().join("outputs/new").exists());
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_written() {
    let run = TestRun::new().with("a", "one");
    std::fs::write(run.beside("file"), "").unwrap();
    for (target, expected) in [
        (run.beside("file/x"), "cannot make the directory `"),
        ("/proc/chutes".into(), "cannot make"),
    ] {
        let delivered = run.deliver_to(DirectorySink::new(target.clone(), run.root())).await;
        let reason = reason(&delivered);
        assert!(reason.starts_with(expected), "{reason}");
        assert!(reason.contains(&format!("`{}`", target.display())), "{reason}");
        assert!(delivered.reports[0].error.is_some());
    }
}

#[tokio::test]
async fn what_an_earlier_life_has_left_is_used_or_removed() {
    let run = a_run();
    let delivered = run.deliver_to(sink(&run)).await;
    check_complete(&delivered);
    let target = run.beside("target");
    let inode = |path: &str| std::fs::metadata(target.join(path)).unwrap().ino();
    let whole = inode("outputs/a");
    std::fs::write(target.join("outputs/b/c/d"), "tw").unwrap();
    let run_id = run.summary().run_id;
    std::fs::write(target.join(format!("outputs/.chutes-{run_id}-99.part")), "on").unwrap();
    std::fs::write(target.join("outputs/.chutes-other-1.part"), "on").unwrap();
    check_complete(&run.deliver_to(sink(&run)).await);
    assert_eq!(inode("outputs/a"), whole);
    assert_eq!(std::fs::read(target.join("outputs/b/c/d")).unwrap(), b"two");
    let left: Vec<_> = tree(&target).into_iter().filter(|path| path.contains(".chutes-")).collect();
    assert_eq!(left, ["outputs/.chutes-other-1.part"]);
}

#[tokio::test]
async fn an_old_manifest_is_gone_before_the_first_file_changes() {
    let run = a_run();
    check_complete(&run.deliver_to(sink(&run)).await);
    let again = sink(&run);
    again.begin(&run.summary()).await.unwrap();
    assert!(!run.beside("target/manifest.json").exists());
    std::fs::write(run.beside("target/manifest.json"), r#"{"name": "my app"}"#).unwrap();
    let delivered = run.deliver_to(sink(&run)).await;
    assert!(reason(&delivered).contains("that is not of a run"), "{delivered:?}");
    let kept = std::fs::read_to_string(run.beside("target/manifest.json")).unwrap();
    assert_eq!(kept, r#"{"name": "my app"}"#);
}

#[tokio::test]
async fn files_that_vanish_before_the_end_are_missed() {
    let run = TestRun::new().with("a", "one");
    let sink = sink(&run);
    let mut summary = run.summary();
    sink.begin(&summary).await.unwrap();
    sink.send(&run.files[0]).await.unwrap();
    std::fs::remove_file(run.beside("target/outputs/a")).unwrap();
    summary.manifest.files[0].deliveries.push(chutes_core::Delivery {
        sink: sink.name().to_owned(),
        state: DeliveryState::Delivered,
    });
    let error = sink.finish(&summary).await.unwrap_err();
    assert_eq!(error.message, "`outputs/a` was copied and is not there any more");
    assert!(tree(&run.beside("target")).is_empty());
}

#[test]
fn a_dropped_attempt_makes_nothing_visible() {
    let run = TestRun::new().with("a", "one");
    let target = Target { path: run.beside("target"), run_root: run.root() };
    let opened = target.open(run.summary().run_id).unwrap();
    let error = opened.put(&run.files[0], &Abandoned::already()).unwrap_err();
    assert!(error.is_transient);
    assert!(tree(&run.beside("target")).is_empty());
}

/// So many small files that they are copied together, in several folders.
fn many() -> TestRun {
    (0..40).fold(TestRun::new(), |run, at| {
        run.with(format!("{}/{at}", at % 3), format!("content {at}"))
    })
}

#[tokio::test]
async fn many_small_files() {
    for run in [many(), many().fingerprinted()] {
        let program = run.path_of(FileKind::Output, b"0/3");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        // As they were collected, and not.
        let target = run.beside("target/outputs");
        for _ in 0..2 {
            check_complete(&run.deliver_to(sink(&run)).await);
            assert_eq!(tree(&run.beside("target")).len(), 41);
            for at in 0..40 {
                let path = target.join(format!("{}/{at}", at % 3));
                let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, if at == 3 { 0o700 } else { 0o600 });
                assert_eq!(std::fs::read_to_string(path).unwrap(), format!("content {at}"));
            }
        }
    }
}

#[tokio::test]
async fn many_small_files_of_which_some_are_in_the_way() {
    let run = many();
    let target = run.beside("target/outputs");
    std::fs::create_dir_all(target.join("0/6")).unwrap();
    std::fs::write(target.join("0/3"), "of an earlier run").unwrap();
    symlink("/etc", target.join("1")).unwrap();
    std::fs::write(run.path_of(FileKind::Output, b"2/2"), "changed later").unwrap();
    let delivered = run.deliver_to(sink(&run)).await;
    let reason = |at: usize| match &delivered.states[0][at] {
        DeliveryState::Delivered => "",
        DeliveryState::Failed { reason } | DeliveryState::Skipped { reason } => reason,
    };
    for at in 0..40 {
        let expected = match at {
            2 => "it was changed after it was collected",
            6 => "cannot write: ",
            _ if at % 3 == 1 => "cannot make its folder",
            _ => "",
        };
        assert!(reason(at).starts_with(expected), "{at}: {}", reason(at));
        assert_eq!(reason(at).is_empty(), expected.is_empty(), "{at}: {}", reason(at));
    }
    assert_eq!(std::fs::read_to_string(target.join("0/3")).unwrap(), "content 3");
    assert!(!tree(&target).iter().any(|path| path.contains(".part")));
}

#[test]
fn dropped_while_many_are_copied() {
    let run = many();
    let target = Target { path: run.beside("target"), run_root: run.root() };
    let opened = target.open(run.summary().run_id).unwrap();
    let moved = AtomicU64::new(0);
    let error = opened.put_together(&run.files, &moved, &Abandoned::already()).unwrap_err();
    assert!(error.is_transient);
    assert!(tree(&run.beside("target")).is_empty());
}
