//! What is there already, and what becomes of it.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_file_is_replaced_not_written_to() {
    let place = Place::new();
    let kept = place.folder.path().join("neighbour");
    fs::hard_link(&kept, place.path("a")).unwrap();
    place.unpack(&zip(&[Raw::file("a", b"new")])).unwrap();
    assert_eq!(fs::read(place.path("a")).unwrap(), b"new");
    assert_eq!(fs::metadata(&kept).unwrap().nlink(), 1);
}

#[test]
fn a_folder_is_kept() {
    let place = Place::new();
    fs::create_dir(place.path("d")).unwrap();
    fs::set_permissions(place.path("d"), fs::Permissions::from_mode(0o711)).unwrap();
    fs::write(place.path("d/old"), "old").unwrap();
    place.unpack(&zip(&[Raw::folder("d/"), Raw::file("d/new", b"new")])).unwrap();
    assert_eq!(place.tree().len(), 3);
    assert_eq!(place.tree()["d/"].1, 0o711);
}

#[test]
fn something_else_is_in_the_way() {
    let check = |prepare: &dyn Fn(&Place), name: &str, expected: &str| {
        let place = Place::new();
        prepare(&place);
        let error = place.unpack(&zip(&[Raw::file(name, b"")])).unwrap_err();
        assert_eq!(error.kind, FailureKind::DownloadFailed, "{error}");
        let name = name.trim_end_matches('/');
        let expected = format!("`{name}` of the zip file cannot be written: {expected}");
        assert!(error.message.starts_with(&expected), "{error}");
    };
    let file = |place: &Place| fs::write(place.path("a"), "").unwrap();
    check(&file, "a/b", "a file or a link in the place of a folder is in its way");
    check(&file, "a/", "a file or a link in the place of a folder is in its way");
    let folder = |place: &Place| fs::create_dir(place.path("a")).unwrap();
    check(&folder, "a", "a folder is in its way");
    let link = |place: &Place| symlink("../neighbour", place.path("a")).unwrap();
    check(&link, "a", "a symbolic link is in its way");
    let link = |place: &Place| symlink("..", place.path("a")).unwrap();
    check(&link, "a/b", "a file or a link in the place of a folder is in its way");
    check(&link, "a/b/c", "a file or a link in the place of a folder is in its way");
    check(&link, "a/", "a file or a link in the place of a folder is in its way");
    let link = |place: &Place| symlink("nowhere", place.path("a")).unwrap();
    check(&link, "a", "a symbolic link is in its way");
    let pipe = |place: &Place| {
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(place.dir(), "a", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    check(&pipe, "a", "something that is not a file is in its way");
}

#[test]
fn the_directory_is_gone() {
    let place = Place::new();
    let dir = place.dir();
    fs::remove_dir(place.path("")).unwrap();
    let zip = file(&zip(&[Raw::file("a", b"1")]));
    let error = unpack(zip, &dir, &UnpackLimits::default(), &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.kind, FailureKind::Platform, "{error}");
    assert!(error.message.starts_with("`a` cannot be written: "), "{error}");
}
