//! What happens when files are exchanged while they are collected. Nothing is left to chance: each
//! exchange is made at the very moment at which it hurts.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::tests::{open, pipe, shown};
use super::{Bounds, Moment, collect_watched};

/// Collects a folder with `good`, `a/file` and an empty folder `a/empty`, and makes a change when a
/// moment comes for a path. `good` must be collected whatever happens.
#[track_caller]
fn check(moment: (Moment, &str), change: impl Fn(&Path) + Sync, expected: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("a/empty")).unwrap();
    std::fs::write(folder.path().join("a/file"), "content").unwrap();
    std::fs::write(folder.path().join("good"), "x").unwrap();
    let happened = AtomicBool::new(false);
    let watch = |now, path: &chutes_core::OutputPath| {
        if now == moment.0 && *path == moment.1 {
            change(&folder.path().join("a"));
            happened.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let stop = AtomicBool::new(false);
    let files = collect_watched(Ok(open(folder.path())), &stop, Bounds::default(), &watch).files;
    assert!(happened.into_inner(), "the moment never came");
    let found = shown(files);
    let found: Vec<_> = found.iter().map(|(path, state)| (path.as_str(), state.as_str())).collect();
    let expected: Vec<_> = expected.iter().copied().chain([("good", "1")]).collect();
    assert_eq!(found, expected);
}

fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, path).unwrap();
}

fn append(folder: &Path) {
    let file = folder.join("file");
    let content = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, content + ", more").unwrap();
}

#[test]
fn files_that_vanish() {
    let remove = |folder: &Path| std::fs::remove_file(folder.join("file")).unwrap();
    let before = [("a/file", "failed: it vanished before it could be read")];
    let within = [("a/file", "failed: it vanished while it was read")];
    check((Moment::FolderListed, "a"), remove, &before);
    check((Moment::FileFound, "a/file"), remove, &before);
    check((Moment::FileOpened, "a/file"), remove, &within);
    check((Moment::FileRead, "a/file"), remove, &within);
    // What was not listed was never there.
    check((Moment::FolderOpened, "a"), remove, &[]);
}

#[test]
fn files_that_change() {
    let changed = [("a/file", "failed: it was changed while it was read")];
    let shorten = |folder: &Path| std::fs::write(folder.join("file"), "").unwrap();
    let rewrite = |folder: &Path| {
        std::fs::write(folder.join("file"), "CONTENT").unwrap();
        // The clock of the file system may not have moved since the file was made.
        let file = std::fs::File::options().append(true).open(folder.join("file")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    for moment in [Moment::FileOpened, Moment::FileRead] {
        check((moment, "a/file"), append, &changed);
        check((moment, "a/file"), shorten, &changed);
        check((moment, "a/file"), rewrite, &changed);
    }
    // A file that was changed before it was read is as good as any.
    check((Moment::FileFound, "a/file"), append, &[("a/file", "13")]);
    check((Moment::FileFound, "a/file"), shorten, &[("a/file", "0")]);
}

#[test]
fn files_that_are_replaced_by_files() {
    let exchange = |folder: &Path| replace(&folder.join("file"), "other content");
    let replaced = [("a/file", "failed: it was replaced while it was read")];
    check((Moment::FileFound, "a/file"), exchange, &[("a/file", "13")]);
    check((Moment::FileOpened, "a/file"), exchange, &replaced);
    check((Moment::FileRead, "a/file"), exchange, &replaced);
}

#[test]
fn files_that_are_replaced_by_something_else() {
    let fresh = |folder: &Path| {
        std::fs::remove_file(folder.join("file")).unwrap();
        folder.join("file")
    };
    let to_pipe = |folder: &Path| pipe(&fresh(folder));
    let to_folder = |folder: &Path| std::fs::create_dir(fresh(folder)).unwrap();
    let to_link = |folder: &Path| std::os::unix::fs::symlink("../good", fresh(folder)).unwrap();
    let to_socket =
        |folder: &Path| drop(std::os::unix::net::UnixListener::bind(fresh(folder)).unwrap());
    let found = (Moment::FileFound, "a/file");
    let other = "failed: it, or a folder above it, was replaced before it could be read";
    check(found, to_pipe, &[("a/file", "failed: it was replaced by a named pipe")]);
    check(found, to_folder, &[("a/file", "failed: it was replaced by a folder")]);
    check(found, to_link, &[("a/file", other)]);
    check(found, to_socket, &[("a/file", other)]);
    let listed = (Moment::FolderListed, "a");
    check(listed, to_pipe, &[("a/file", "skipped: not a regular file but a named pipe")]);
    check(listed, to_link, &[("a/file", "skipped: a symbolic link is never followed")]);
    let replaced = [("a/file", "failed: it was replaced while it was read")];
    check((Moment::FileOpened, "a/file"), to_link, &replaced);
    check((Moment::FileRead, "a/file"), to_pipe, &replaced);
}

#[test]
fn folders_that_vanish() {
    let remove = |folder: &Path| std::fs::remove_dir_all(folder).unwrap();
    let remove_empty = |folder: &Path| std::fs::remove_dir(folder.join("empty")).unwrap();
    let vanished = "failed: it vanished before it was listed";
    check((Moment::FolderListed, "."), remove, &[("a", vanished)]);
    check((Moment::FolderOpened, "a"), remove, &[("a", vanished)]);
    check(
        (Moment::FolderListed, "a"),
        remove,
        &[("a/empty", vanished), ("a/file", "failed: it vanished before it could be read")],
    );
    check(
        (Moment::FileRead, "a/file"),
        remove,
        &[("a/file", "failed: it vanished while it was read")],
    );
    let file = ("a/file", "7");
    check((Moment::FolderListed, "a"), remove_empty, &[("a/empty", vanished), file]);
    check((Moment::FolderOpened, "a/empty"), remove_empty, &[("a/empty", vanished), file]);
    check((Moment::FolderListed, "a/empty"), remove_empty, &[file]);
}

#[test]
fn folders_that_are_replaced() {
    let away = |folder: &Path| std::fs::rename(folder, folder.with_extension("old")).unwrap();
    let to_link = |folder: &Path| {
        away(folder);
        std::os::unix::fs::symlink("a.old", folder).unwrap();
    };
    let to_copy = |folder: &Path| {
        away(folder);
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("file"), "content").unwrap();
    };
    let replaced = "failed: it was replaced by something that is not a folder";
    check((Moment::FolderListed, "."), to_link, &[("a", replaced)]);
    let before = "failed: it, or a folder above it, was replaced before it could be read";
    check((Moment::FileFound, "a/file"), to_link, &[("a/file", before)]);
    let within = "failed: it, or a folder above it, was replaced while it was read";
    check((Moment::FileRead, "a/file"), to_link, &[("a/file", within)]);
    // The same content, but not in the file that was read.
    let other = "failed: it was replaced while it was read";
    check((Moment::FileRead, "a/file"), to_copy, &[("a/file", other)]);
}
