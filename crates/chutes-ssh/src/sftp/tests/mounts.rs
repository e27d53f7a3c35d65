//! A tree of a few folders, and nothing else.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use proptest::prelude::*;
use russh_sftp::protocol::StatusCode;

use super::client::*;
use super::*;

fn fields() -> Fields {
    Fields::default()
}

/// The contents of a file, or the status code of the error.
fn contents(client: &mut Client, path: &str) -> Result<String, StatusCode> {
    match client.request(OPEN, fields().text(path).number(1).number(0)) {
        Answer::Handle(handle) => {
            let answer = client.request(READ, fields().text(&handle).long(0).number(100));
            client.request(CLOSE, fields().text(&handle));
            match answer {
                Answer::Data(data) => Ok(String::from_utf8(data).unwrap()),
                Answer::Status(code, _) => Err(code),
                other => panic!("{other:?}"),
            }
        }
        Answer::Status(code, _) => Err(code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_mounted_folders_are_visible() {
    let (_folder, tree) = with_mounts();
    let mut client = Client::new(tree);
    for (path, expected) in [
        ("/", &["deep", "output", "volume"][..]),
        (".", &["deep", "output", "volume"]),
        ("/deep", &["er"]),
        ("/deep/er", &["place"]),
        ("/deep/er/place", &["file"]),
        ("/output/../volume", &["file"]),
    ] {
        assert_eq!(client.list(path), expected, "{path}");
    }
    for (path, expected) in [
        ("/volume/file", Ok("volume")),
        ("output/file", Ok("output")),
        ("/../../output/./file", Ok("output")),
        ("/output/../secret", Err(StatusCode::NoSuchFile)),
        ("/etc/passwd", Err(StatusCode::NoSuchFile)),
        ("/deep", Err(StatusCode::PermissionDenied)),
        ("/output/none", Err(StatusCode::NoSuchFile)),
    ] {
        assert_eq!(contents(&mut client, path), expected.map(str::to_owned), "{path}");
    }
    let real = client.request(REALPATH, fields().text("output/../volume/x"));
    assert_eq!(real, Answer::Names(vec![b"/volume/x".into()]));
    for path in ["/", "/deep/er", "/output"] {
        for kind in [STAT, LSTAT] {
            assert!(matches!(client.request(kind, fields().text(path)), Answer::Attributes(_)));
        }
    }
}

#[test]
fn links_do_not_lead_out_of_a_folder() {
    let (folder, tree) = with_mounts();
    let output = folder.path().join("output");
    let secret = folder.path().join("secret");
    symlink("file", output.join("inside")).unwrap();
    symlink("../secret", output.join("relative")).unwrap();
    symlink(&secret, output.join("absolute")).unwrap();
    symlink("..", output.join("up")).unwrap();
    symlink("/proc/self/root", output.join("root")).unwrap();
    symlink("../volume/file", output.join("other")).unwrap();
    let mut client = Client::new(tree);
    let denied = StatusCode::PermissionDenied;
    assert_eq!(contents(&mut client, "/output/inside").as_deref(), Ok("output"));
    for path in ["relative", "absolute", "up/secret", "up", "root/etc/passwd", "other"] {
        let path = format!("/output/{path}");
        assert_eq!(contents(&mut client, &path), Err(denied), "{path}");
        assert_eq!(client.code(STAT, fields().text(&path)), denied, "{path}");
        let open = fields().text(&path).number(2 | 8 | 16).number(0);
        assert_eq!(client.code(OPEN, open), denied, "{path}");
        assert_eq!(
            client.code(SETSTAT, fields().text(&path).number(4).number(0)),
            denied,
            "{path}"
        );
        assert_eq!(client.code(OPENDIR, fields().text(&path)), denied, "{path}");
    }
    for kind in [REMOVE, RMDIR, READLINK, LSTAT] {
        assert_eq!(client.code(kind, fields().text("/output/up/secret")), denied);
    }
    let out = fields().text("/output/file").text("/output/up/stolen");
    assert_eq!(client.code(RENAME, out), denied);
    let into =
        fields().text("hardlink@openssh.com").text("/output/up/secret").text("/output/stolen");
    assert_eq!(client.code(EXTENDED, into), denied);
    // The links themselves can be read and removed.
    assert!(matches!(client.request(LSTAT, fields().text("/output/up")), Answer::Attributes(_)));
    let names = Answer::Names(vec![b"../secret".into()]);
    assert_eq!(client.request(READLINK, fields().text("/output/relative")), names);
    assert_eq!(client.code(REMOVE, fields().text("/output/relative")), StatusCode::Ok);
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
}

#[test]
fn read_only_folders_cannot_be_changed() {
    let (folder, tree) = with_mounts();
    let before = fs::metadata(folder.path().join("volume/file")).unwrap();
    let mut client = Client::new(tree);
    let denied = StatusCode::PermissionDenied;
    for at in ["/volume/new", "/volume/file", "/new", "/deep/new", "/volume", "/deep"] {
        let path = || fields().text(at);
        for flags in [2, 2 | 8, 1 | 8, 1 | 16, 4, 2 | 8 | 32] {
            assert_eq!(client.code(OPEN, path().number(flags).number(0)), denied, "{at} {flags}");
        }
        assert_eq!(client.code(MKDIR, path().number(0)), denied, "{at}");
        assert_eq!(client.code(SETSTAT, path().number(4).number(0)), denied, "{at}");
        assert_eq!(client.code(SYMLINK, fields().text("x").text(at)), denied, "{at}");
        assert_eq!(client.code(REMOVE, path()), denied, "{at}");
        assert_eq!(client.code(RMDIR, path()), denied, "{at}");
        assert_eq!(client.code(RENAME, path().text("/output/stolen")), denied, "{at}");
        assert_eq!(client.code(RENAME, fields().text("/output/file").text(at)), denied, "{at}");
        for name in ["hardlink@openssh.com", "posix-rename@openssh.com"] {
            let there = fields().text(name).text(at).text("/output/stolen");
            assert_eq!(client.code(EXTENDED, there), denied, "{at}");
        }
    }
    let handle = client.open("/volume/file", 1);
    let mode = fields().text(&handle).number(4).number(0);
    assert_eq!(client.code(FSETSTAT, mode), denied);
    let after = fs::metadata(folder.path().join("volume/file")).unwrap();
    assert_eq!((after.mode(), after.ctime_nsec()), (before.mode(), before.ctime_nsec()));
    assert_eq!(client.list("/volume"), ["file"]);
}

#[test]
fn changes_in_writable_folders() {
    let (folder, tree) = with_mounts();
    let mut client = Client::new(tree);
    let handle = client.open("/output/new", 2 | 8);
    assert_eq!(client.code(WRITE, fields().text(&handle).long(0).text("text")), StatusCode::Ok);
    assert_eq!(
        client.code(FSETSTAT, fields().text(&handle).number(4).number(0o600)),
        StatusCode::Ok
    );
    let mode = fields().text("/output/new").number(1 | 4).long(2).number(0o640);
    assert_eq!(client.code(SETSTAT, mode), StatusCode::Ok);
    let new = folder.path().join("output/new");
    assert_eq!(
        (fs::read_to_string(&new).unwrap().as_str(), fs::metadata(&new).unwrap().mode() & 0o777),
        ("te", 0o640)
    );
    let to = fields().text("/output/new").text("/deep/er/place/moved");
    assert_eq!(client.code(RENAME, to), StatusCode::Ok);
    assert!(folder.path().join("place/moved").exists());
    let appended = client.open("/output/file", 2 | 4);
    assert_eq!(client.code(WRITE, fields().text(&appended).long(0).text("!")), StatusCode::Ok);
    assert_eq!(contents(&mut client, "/output/file").as_deref(), Ok("output!"));
    for at in ["/output", "/deep/er/place"] {
        assert_eq!(client.code(RMDIR, fields().text(at)), StatusCode::Failure);
    }
}

fn hostile_path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "..", ".", "", "output", "volume", "deep", "up", "absolute", "secret", "file", "root",
        "proc", "...", "etc", "passwd",
    ]);
    prop::collection::vec(name, 0..8).prop_map(|names| names.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn files_outside_are_never_read_or_changed(paths in prop::collection::vec(hostile_path(), 8)) {
        let (folder, tree) = with_mounts();
        let output = folder.path().join("output");
        symlink("..", output.join("up")).unwrap();
        symlink(folder.path(), output.join("absolute")).unwrap();
        symlink("/proc/self/root", output.join("root")).unwrap();
        let mut client = Client::new(tree);
        for path in &paths {
            let found = contents(&mut client, path).unwrap_or_default();
            prop_assert!(["", "output", "volume", "place"].contains(&found.as_str()), "{path}: {found}");
            for kind in [REMOVE, RMDIR, MKDIR] {
                client.request(kind, fields().text(path).number(0));
            }
            client.request(RENAME, fields().text(path).text(&paths[0]));
        }
        prop_assert_eq!(fs::read_to_string(folder.path().join("secret")).unwrap(), "secret");
        prop_assert_eq!(fs::read_to_string(folder.path().join("volume/file")).unwrap(), "volume");
        let left: std::collections::BTreeSet<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        prop_assert!(left.iter().eq(["output", "place", "secret", "volume"]), "{:?}", left);
    }
}
