//! Measurements, not part of the tests:
//! `cargo test --release -p chutes-outputs --lib collect::measure -- --ignored --nocapture`.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::collect;
use super::tests::open;

/// Prints how long collecting takes, and the most memory that the process ever had.
#[expect(clippy::print_stderr, reason = "a measurement is for people")]
fn measure(what: &str, folder: &Path, expected: usize) {
    let begin = Instant::now();
    let files = collect(Ok(open(folder)), &AtomicBool::new(false)).files;
    let elapsed = begin.elapsed().as_secs_f64();
    assert_eq!(files.iter().filter(|file| file.is_safe()).count(), expected);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    eprintln!("{what}: {elapsed:.3} s, {peak}");
}

#[test]
#[ignore = "a measurement"]
fn many_small_files() {
    const FOLDERS: usize = 100;
    const FILES: usize = 100;
    let root = tempfile::tempdir().unwrap();
    for folder in 0..FOLDERS {
        let folder = root.path().join(folder.to_string());
        std::fs::create_dir(&folder).unwrap();
        for file in 0..FILES {
            std::fs::write(folder.join(file.to_string()), vec![7; 1_000]).unwrap();
        }
    }
    for _ in 0..3 {
        measure("10,000 files of 1 kB", root.path(), FOLDERS * FILES);
    }
}

#[test]
#[ignore = "a measurement"]
fn large_files() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let file = std::fs::File::create(root.path().join(name)).unwrap();
        file.set_len(5_000_000_000).unwrap();
    }
    measure("2 sparse files of 5 GB", root.path(), 2);
}
