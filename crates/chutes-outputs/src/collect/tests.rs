//! What is collected, what is skipped, and what is reported.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use chutes_core::{FileState, OutputFile, OutputPath, Sha256Digest};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{Bounds, checksum, collect_watched, open_below, scan};

pub(super) fn open(folder: &Path) -> Dir {
    Dir::open_ambient_dir(folder, ambient_authority()).unwrap()
}

pub(super) fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}

fn collect(folder: &Path, stop: &AtomicBool) -> Vec<OutputFile> {
    super::collect(Dir::open_ambient_dir(folder, ambient_authority()), stop).files
}

fn collected(folder: &Path) -> Vec<(String, String)> {
    shown(collect(folder, &AtomicBool::new(false)))
}

/// The state of each entry: its size, or the reason why there is none.
pub(super) fn shown(files: Vec<OutputFile>) -> Vec<(String, String)> {
    let shown = files.into_iter().map(|file| {
        let state = match file.state {
            FileState::Collected { bytes, .. } => bytes.to_string(),
            FileState::Failed { reason } => format!("failed: {reason}"),
            FileState::Skipped { reason } => format!("skipped: {reason}"),
        };
        (file.path.to_string(), state)
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

#[test]
fn links_and_special_files_are_skipped() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), folder.path().join("folder")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    symlink("nowhere", folder.path().join("broken")).unwrap();
    pipe(&folder.path().join("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let link = "skipped: a symbolic link is never followed";
    check(
        folder.path(),
        &[
            ("broken", link),
            ("file", link),
            ("folder", link),
            ("pipe", "skipped: not a regular file but a named pipe"),
            ("socket", "skipped: not a regular file but a socket"),
        ],
    );
}

#[test]
fn names_are_any_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in [&b"100%\xff"[..], b"two\nlines", b" ", b"\\", b"\xff/\xfe"] {
        let path = folder.path().join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    let expected =
        [(" ", "1"), ("100%25%FF", "1"), ("\\", "1"), ("two\nlines", "1"), ("%FF/%FE", "1")];
    check(folder.path(), &expected);
}

#[test]
fn hard_links_and_holes_are_files() {
    const SIZE: u64 = 40 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "abc").unwrap();
    std::fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
    std::fs::File::create(folder.path().join("hole")).unwrap().set_len(SIZE).unwrap();
    check(folder.path(), &[("a", "3"), ("b", "3"), ("hole", &SIZE.to_string())]);
}

/// Root may read everything, as long as it has its capabilities.
#[test]
fn what_cannot_be_read_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        return;
    }
    std::fs::create_dir(folder.path().join("closed")).unwrap();
    std::fs::create_dir(folder.path().join("unlisted")).unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let set = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path().join(name), mode).unwrap();
    };
    set("closed", 0o000);
    set("file", 0o000);
    set("unlisted", 0o300);
    check(
        folder.path(),
        &[
            ("closed", "failed: cannot be listed: Permission denied (os error 13)"),
            ("file", "failed: cannot be read: Permission denied (os error 13)"),
            ("unlisted", "failed: cannot be listed: Permission denied (os error 13)"),
        ],
    );
    // So that they can be removed.
    set("closed", 0o700);
    set("unlisted", 0o700);
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

#[test]
fn stopping_within_a_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x").unwrap();
    let stop = AtomicBool::new(false);
    let watch = |moment, _: &OutputPath| {
        stop.store(moment == super::Moment::FileOpened, std::sync::atomic::Ordering::Relaxed);
    };
    let files = collect_watched(Ok(open(folder.path())), &stop, Bounds::default(), &watch).files;
    let expected = "failed: collecting was stopped within this file";
    assert_eq!(shown(files), [("a".into(), expected.into())]);
}

#[test]
fn what_is_too_much_is_reported_once() {
    #[track_caller]
    fn check(folder: &Path, bounds: Bounds, collected: usize, expected: &str) {
        let stop = AtomicBool::new(false);
        let files = shown(collect_watched(Ok(open(folder)), &stop, bounds, &|_, _| {}).files);
        let (failed, good): (Vec<_>, Vec<_>) =
            files.iter().partition(|(_, state)| state.starts_with("failed"));
        assert_eq!(good.len(), collected, "{files:?}");
        let failed: Vec<_> = failed.iter().map(|(path, state)| format!("{path} {state}")).collect();
        let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
        assert_eq!(failed, expected);
    }
    let folder = tempfile::tempdir().unwrap();
    for name in 0..10 {
        std::fs::write(folder.path().join(name.to_string()), "x").unwrap();
    }
    let (entries, path_bytes) = (10, 30);
    check(folder.path(), Bounds { entries, path_bytes }, 10, "");
    let expected = "more than 9 entries, or 0 MiB of paths: the rest was not collected";
    let expected = format!(". failed: {expected}");
    check(folder.path(), Bounds { entries: 9, path_bytes }, 9, &expected);
    let expected = expected.replace('9', "10");
    check(folder.path(), Bounds { entries, path_bytes: 29 }, 9, &expected);
}

/// Each folder on the way down takes a descriptor, and nothing else does.
#[test]
fn wide_and_deep_trees_take_few_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    for wide in 0..20 {
        let deep = folder.path().join(format!("{wide}{}", "/d".repeat(20)));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("x"), "x").unwrap();
    }
    let most = std::sync::atomic::AtomicUsize::new(0);
    let below = open(folder.path());
    let in_folder = folder.path().to_owned();
    let watch = |_, _: &OutputPath| {
        // Other tests of this process have files open, too, but not in this folder.
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        let ours = descriptors.filter(|descriptor| {
            let path = descriptor.as_ref().unwrap().path();
            std::fs::read_link(path).is_ok_and(|target| target.starts_with(&in_folder))
        });
        most.fetch_max(ours.count(), std::sync::atomic::Ordering::Relaxed);
    };
    let stop = AtomicBool::new(false);
    let files = collect_watched(Ok(below), &stop, Bounds::default(), &watch).files;
    assert_eq!(files.len(), 20);
    let most = most.into_inner();
    assert!((20..=30).contains(&most), "{most}");
}

#[test]
fn a_path_that_is_longer_than_the_system_takes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut below = open(folder.path());
    let name = "n".repeat(200);
    for _ in 0..50 {
        below.create_dir(&name).unwrap();
        below = below.open_dir(&name).unwrap();
    }
    below.write("x", "abc").unwrap();
    let files = collect(folder.path(), &AtomicBool::new(false));
    assert_eq!(files.len(), 1);
    assert!(matches!(files[0].state, FileState::Collected { bytes: 3, .. }), "{files:?}");
    assert_eq!(files[0].path.as_bytes().len(), 50 * 201 + 1);
}

#[test]
fn single_files() {
    #[track_caller]
    fn check(root: &Dir, path: &str, expected: Result<&str, &str>) {
        let path = OutputPath::new(path).unwrap();
        let read = open_below(root, &path).and_then(std::io::read_to_string);
        let read = read.map_err(|error| error.to_string());
        assert_eq!(read.as_deref().map_err(String::as_str), expected);
        let state = checksum(root, &path, &AtomicBool::new(false));
        assert_eq!(matches!(state, FileState::Collected { .. }), expected.is_ok(), "{state:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    std::fs::write(folder.path().join("a/b/c"), "text").unwrap();
    std::fs::write(folder.path().join("x"), "top").unwrap();
    std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("x", folder.path().join("y")).unwrap();
    pipe(&folder.path().join("pipe"));
    let root = open(folder.path());
    check(&root, "a/b/c", Ok("text"));
    check(&root, "x", Ok("top"));
    check(&root, "link/b/c", Err("Not a directory (os error 20)"));
    check(&root, "y", Err("Too many levels of symbolic links (os error 40)"));
    check(&root, "pipe", Err("not a regular file but a named pipe"));
    check(&root, "a", Err("not a regular file but a folder"));
    check(&root, ".", Err("not a regular file but a folder"));
    check(&root, "none", Err("No such file or directory (os error 2)"));
}

#[test]
fn scanning_finds_what_collecting_reads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    std::fs::write(folder.path().join("a/b"), "abc").unwrap();
    pipe(&folder.path().join("pipe"));
    let scan = || scan(&open(folder.path()), &AtomicBool::new(false));
    let before = scan();
    assert_eq!(before, scan());
    assert_eq!((before.len(), before[0].path.as_bytes(), before[0].bytes), (1, &b"a/b"[..], 3));
    let metadata = std::fs::metadata(folder.path().join("a/b")).unwrap();
    assert_eq!(before[0].inode, std::os::unix::fs::MetadataExt::ino(&metadata));
    let modified = metadata.modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert_eq!(u128::try_from(before[0].modified).unwrap(), modified);
    let later = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1);
    let file = std::fs::File::options().append(true).open(folder.path().join("a/b")).unwrap();
    file.set_modified(later).unwrap();
    assert_eq!(scan()[0].modified, -1_000_000);
}

/// A tree: the content of each file by its path.
fn trees() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    let is_name = |name: &Vec<u8>| !matches!(&name[..], b"." | b"..");
    let byte = any::<u8>().prop_filter("no name has it", |byte| !matches!(byte, 0 | b'/'));
    let name = proptest::collection::vec(byte, 1..12).prop_filter("is a name", is_name);
    let path = proptest::collection::vec(name, 1..5).prop_map(|parts| parts.join(&b'/'));
    let content = proptest::collection::vec(any::<u8>(), 0..100);
    proptest::collection::btree_map(path, content, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_files_are_collected_and_nothing_else(tree in trees()) {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for (path, content) in tree {
            let file = folder.path().join(OsStr::from_bytes(&path));
            // Another path of the tree may need a folder where this one has its file.
            if std::fs::create_dir_all(file.parent().unwrap()).is_err() || file.exists() {
                continue;
            }
            std::fs::write(file, &content).unwrap();
            let sha256 = Sha256Digest::from_bytes(Sha256::digest(&content).into());
            let state = FileState::Collected { bytes: content.len() as u64, sha256 };
            expected.push(OutputFile::new(OutputPath::new(path).unwrap(), state));
        }
        prop_assert_eq!(collect(folder.path(), &AtomicBool::new(false)), expected);
    }
}
