//! What is collected, what is skipped, and what is reported.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use chutes_core::FileState;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

fn collect(folder: &Path, stop: &AtomicBool) -> Vec<chutes_core::OutputFile> {
    super::collect(Dir::open_ambient_dir(folder, ambient_authority()), stop)
}

/// The state of each entry: its size, or the reason why there is none.
fn collected(folder: &Path) -> Vec<(String, String)> {
    let files = collect(folder, &AtomicBool::new(false));
    let shown = files.into_iter().map(|file| {
        let state = match file.state {
            FileState::Collected { bytes, .. } => bytes.to_string(),
            FileState::Failed { reason } => format!("failed: {reason}"),
            FileState::Skipped { reason } => format!("skipped: {reason}"),
        };
        (file.path, state)
    });
    shown.collect()
}

#[track_caller]
fn check(folder: &Path, expected: &[(&str, &str)]) {
    let found = collected(folder);
    let found: Vec<_> = found.iter().map(|(path, state)| (path.as_str(), state.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("empty/folders")).unwrap();
    check(folder.path(), &[]);
}

#[test]
fn regular_files_sorted_by_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("b/.c")).unwrap();
    for path in ["z", "b/.c/x", ".hidden", "b/a"] {
        std::fs::write(folder.path().join(path), path).unwrap();
    }
    check(folder.path(), &[(".hidden", "7"), ("b/.c/x", "6"), ("b/a", "3"), ("z", "1")]);
}

#[test]
fn checksum_is_that_of_the_content() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("abc"), "abc").unwrap();
    let files = collect(folder.path(), &AtomicBool::new(false));
    let FileState::Collected { sha256, .. } = &files[0].state else { panic!("{files:?}") };
    // The example of FIPS 180-2, appendix B.1.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256.to_string(), expected);
}

#[cfg(unix)]
#[test]
fn links_and_special_files_are_skipped() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), folder.path().join("folder")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    symlink("nowhere", folder.path().join("broken")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let link = "skipped: a symbolic link is never followed";
    check(
        folder.path(),
        &[
            ("broken", link),
            ("file", link),
            ("folder", link),
            ("socket", "skipped: not a regular file"),
        ],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_text_are_reported() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\xff");
    std::fs::write(folder.path().join(name), "x").unwrap();
    std::fs::write(folder.path().join("two\nlines"), "x").unwrap();
    check(
        folder.path(),
        &[("a\u{fffd}", "failed: the file name is not valid UTF-8"), ("two\nlines", "1")],
    );
}

#[test]
fn folders_that_are_too_deep_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let deep = "d/".repeat(102);
    std::fs::create_dir_all(folder.path().join(&deep)).unwrap();
    std::fs::write(folder.path().join(&deep).join("x"), "x").unwrap();
    let found = collected(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, "failed: more than 100 folders deep");
}

#[test]
fn a_missing_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let found = collected(&folder.path().join("gone"));
    assert_eq!(found.len(), 1);
    assert!(found[0].1.starts_with("failed: cannot be opened: "), "{found:?}");
}

#[test]
fn what_is_left_when_collecting_stops_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x").unwrap();
    let files = collect(folder.path(), &AtomicBool::new(true));
    let reason = "collecting was stopped before this file".to_owned();
    assert_eq!(files[0].state, FileState::Failed { reason });
}
