//! Single requests, and what they must not do.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use russh_sftp::protocol::StatusCode;

use super::client::*;
use super::*;

const READ_FLAG: u32 = 1;
const WRITE_FLAG: u32 = 2;
const APPEND_FLAG: u32 = 4;
const CREATE_FLAG: u32 = 8;
const TRUNCATE_FLAG: u32 = 16;
const EXCLUDE_FLAG: u32 = 32;

fn fields() -> Fields {
    Fields::default()
}

#[test]
fn reads_and_writes_at_offsets_with_several_handles() {
    let (folder, mut client) = on_machine();
    let path = folder.path().join("file");
    let one = client.open(&path, WRITE_FLAG | CREATE_FLAG);
    let other = client.open(&path, READ_FLAG);
    assert_ne!(one, other);
    let write = |at: u64, text: &str| fields().text(&one).long(at).text(text);
    assert_eq!(client.code(WRITE, write(3, "def")), StatusCode::Ok);
    assert_eq!(client.code(WRITE, write(0, "abc")), StatusCode::Ok);
    let read = |at: u64, length: u32| fields().text(&other).long(at).number(length);
    assert_eq!(client.request(READ, read(1, 4)), Answer::Data(b"bcde".into()));
    assert_eq!(client.request(READ, read(4, u32::MAX)), Answer::Data(b"ef".into()));
    assert_eq!(client.code(READ, read(6, 1)), StatusCode::Eof);
    assert_eq!(client.code(WRITE, fields().text(&other).long(0).text("x")), StatusCode::NoSuchFile);
    assert_eq!(client.code(CLOSE, fields().text(&one)), StatusCode::Ok);
    assert_eq!(client.code(CLOSE, fields().text(&one)), StatusCode::Failure);
    assert_eq!(client.code(WRITE, write(0, "x")), StatusCode::Failure);
    assert_eq!(fs::read(path).unwrap(), b"abcdef");
    client.close();
}

#[test]
fn flags_of_open() {
    let (folder, mut client) = on_machine();
    let path = folder.path().join("file");
    let mut check = |before: Option<&str>, flags: u32, after: Result<&str, StatusCode>| {
        let _ = fs::remove_file(&path);
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
        let answer = client.request(OPEN, fields().path(&path).number(flags).number(0));
        match (answer, after) {
            (Answer::Handle(handle), Ok(after)) => {
                let written = client.code(WRITE, fields().text(&handle).long(0).text("X"));
                assert_eq!(written, StatusCode::Ok, "{flags}");
                assert_eq!(client.code(CLOSE, fields().text(&handle)), StatusCode::Ok);
                assert_eq!(fs::read_to_string(&path).unwrap(), after, "{flags}");
            }
            (Answer::Status(code, _), Err(expected)) => assert_eq!(code, expected, "{flags}"),
            (answer, _) => panic!("{flags}: {answer:?}"),
        }
    };
    check(Some("abc"), WRITE_FLAG, Ok("Xbc"));
    check(Some("abc"), READ_FLAG | WRITE_FLAG, Ok("Xbc"));
    check(Some("abc"), WRITE_FLAG | TRUNCATE_FLAG, Ok("X"));
    check(Some("abc"), WRITE_FLAG | APPEND_FLAG, Ok("abcX"));
    check(None, WRITE_FLAG | CREATE_FLAG, Ok("X"));
    check(None, WRITE_FLAG | CREATE_FLAG | EXCLUDE_FLAG, Ok("X"));
    check(Some("abc"), WRITE_FLAG | CREATE_FLAG | EXCLUDE_FLAG, Err(StatusCode::Failure));
    check(None, WRITE_FLAG, Err(StatusCode::NoSuchFile));
}

#[test]
fn only_posix_rename_replaces_a_file() {
    let (folder, mut client) = on_machine();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a"), "a").unwrap();
    fs::write(path("b"), "b").unwrap();
    let paths = |from: &str, to: &str| fields().path(path(from)).path(path(to));
    assert_eq!(client.code(RENAME, paths("a", "b")), StatusCode::Failure);
    assert_eq!(fs::read_to_string(path("b")).unwrap(), "b");
    assert_eq!(client.code(RENAME, paths("a", "c")), StatusCode::Ok);
    assert_eq!(client.code(RENAME, paths("a", "d")), StatusCode::NoSuchFile);
    let extended = |name: &str, paths: Fields| Fields([fields().text(name).0, paths.0].concat());
    let replace = extended("posix-rename@openssh.com", paths("c", "b"));
    assert_eq!(client.code(EXTENDED, replace), StatusCode::Ok);
    assert_eq!(fs::read_to_string(path("b")).unwrap(), "a");
    let link = extended("hardlink@openssh.com", paths("b", "e"));
    assert_eq!(client.code(EXTENDED, link), StatusCode::Ok);
    assert_eq!(fs::metadata(path("b")).unwrap().nlink(), 2);
    let unknown = extended("copy-data", paths("b", "f"));
    assert_eq!(client.code(EXTENDED, unknown), StatusCode::OpUnsupported);
    let short = fields().text("posix-rename@openssh.com").number(9);
    assert_eq!(client.code(EXTENDED, short), StatusCode::BadMessage);
}

#[test]
fn links_are_made_in_the_order_of_openssh() {
    let (folder, mut client) = on_machine();
    let at = folder.path().join("link");
    assert_eq!(client.code(SYMLINK, fields().text("target").path(&at)), StatusCode::Ok);
    assert_eq!(fs::read_link(&at).unwrap().to_str(), Some("target"));
    let names = Answer::Names(vec![b"target".into()]);
    assert_eq!(client.request(READLINK, fields().path(&at)), names);
    assert_eq!(client.code(STAT, fields().path(&at)), StatusCode::NoSuchFile);
    assert!(matches!(client.request(LSTAT, fields().path(&at)), Answer::Attributes(_)));
}

#[test]
fn attributes_are_set() {
    let (folder, mut client) = on_machine();
    let path = folder.path().join("file");
    fs::write(&path, "abcdef").unwrap();
    let attributes =
        |fields: Fields| fields.number(1 | 4 | 8).long(3).number(0o640).number(5).number(7);
    assert_eq!(client.code(SETSTAT, attributes(fields().path(&path))), StatusCode::Ok);
    let check = |size, mode, modified| {
        let now = fs::metadata(&path).unwrap();
        let found = (now.len(), now.permissions().mode() & 0o7777, now.mtime());
        assert_eq!(found, (size, mode, modified));
    };
    check(3, 0o640, 7);
    let handle = client.open(&path, WRITE_FLAG);
    let grow = fields().text(&handle).number(1 | 8).long(9).number(1).number(2);
    assert_eq!(client.code(FSETSTAT, grow), StatusCode::Ok);
    check(9, 0o640, 2);
    // Attributes are set on the target of a link, and those that are not in the request stay.
    symlink(&path, folder.path().join("link")).unwrap();
    let mode = fields().path(folder.path().join("link")).number(4).number(0o600);
    assert_eq!(client.code(SETSTAT, mode), StatusCode::Ok);
    check(9, 0o600, 2);
}

#[test]
fn folders_in_chunks() {
    let (folder, mut client) = on_machine();
    let made: Vec<_> = (0..250).map(|number| format!("{number:03}")).collect();
    for name in &made {
        let path = folder.path().join(name);
        assert_eq!(client.code(MKDIR, fields().path(path).number(4).number(0o700)), StatusCode::Ok);
    }
    let listed = client.list(folder.path());
    assert_eq!(listed, [&[".".to_owned(), "..".to_owned()][..], &made].concat());
    assert_eq!(client.code(REMOVE, fields().path(folder.path().join("000"))), StatusCode::Failure);
    assert_eq!(client.code(RMDIR, fields().path(folder.path())), StatusCode::Failure);
    assert_eq!(client.code(RMDIR, fields().path(folder.path().join("000"))), StatusCode::Ok);
}

#[test]
fn real_paths() {
    let (folder, mut client) = on_machine();
    let root = folder.path().canonicalize().unwrap();
    fs::create_dir(root.join("a")).unwrap();
    symlink("a", root.join("link")).unwrap();
    for (path, expected) in [("a/../link/.", "a"), ("link/new", "a/new"), ("link", "a")] {
        let answer = client.request(REALPATH, fields().path(root.join(path)));
        let expected = root.join(expected).into_os_string().into_encoded_bytes();
        assert_eq!(answer, Answer::Names(vec![expected]), "{path}");
    }
    let missing = fields().path(root.join("new/new"));
    assert_eq!(client.code(REALPATH, missing), StatusCode::NoSuchFile);
    let here = std::env::current_dir().unwrap().into_os_string().into_encoded_bytes();
    assert_eq!(client.request(REALPATH, fields().text("")), Answer::Names(vec![here]));
}

#[test]
fn a_name_that_is_not_utf8_is_listed_and_never_taken_for_another() {
    let (folder, mut client) = on_machine();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff"));
    let lookalike = folder.path().join("a\u{fffd}");
    fs::write(&odd, "odd").unwrap();
    fs::write(&lookalike, "lookalike").unwrap();
    assert_eq!(client.list(folder.path())[2..], ["a\u{fffd}", "a\u{fffd}"]);
    for path in [&odd, &lookalike] {
        let answer = client.request(REMOVE, fields().path(path));
        let Answer::Status(StatusCode::Failure, words) = answer else { panic!("{answer:?}") };
        assert!(words.contains("not UTF-8"), "{words}");
        assert_eq!(client.code(STAT, fields().path(path)), StatusCode::Failure);
        assert_eq!(client.code(MKDIR, fields().path(path).number(0)), StatusCode::Failure);
    }
    assert_eq!(
        client.code(SYMLINK, fields().text(b"\xff").path(folder.path().join("l"))),
        StatusCode::Failure
    );
    assert_eq!(
        (fs::read(odd).unwrap(), fs::read(lookalike).unwrap()),
        (b"odd".into(), b"lookalike".into())
    );
}

#[test]
fn the_number_of_handles_is_limited() {
    let (folder, mut client) = on_machine();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    handles::raise_open_file_limit();
    let handles: Vec<_> = (0..MAX_HANDLES).map(|_| client.open(&path, READ_FLAG)).collect();
    let open = || fields().path(&path).number(READ_FLAG).number(0);
    assert_eq!(client.code(OPEN, open()), StatusCode::Failure);
    assert_eq!(client.code(OPENDIR, fields().path(folder.path())), StatusCode::Failure);
    assert_eq!(client.code(CLOSE, fields().text(&handles[7])), StatusCode::Ok);
    assert!(matches!(client.request(OPEN, open()), Answer::Handle(new) if !handles.contains(&new)));
}

#[test]
fn one_read_is_bounded() {
    let (folder, mut client) = on_machine();
    let path = folder.path().join("file");
    fs::write(&path, vec![7; 1_000_000]).unwrap();
    let handle = client.open(&path, READ_FLAG);
    let Answer::Data(data) = client.request(READ, fields().text(&handle).long(0).number(u32::MAX))
    else {
        panic!("no data")
    };
    assert_eq!(data.len(), MAX_DATA_BYTES as usize);
}

#[test]
fn opening_a_pipe_does_not_block() {
    let (folder, mut client) = on_machine();
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    let handle = client.open(&path, READ_FLAG);
    assert_eq!(client.code(READ, fields().text(&handle).long(0).number(1)), StatusCode::Failure);
    assert_eq!(client.code(CLOSE, fields().text(&handle)), StatusCode::Ok);
    let open = fields().path(&path).number(WRITE_FLAG).number(0);
    assert_eq!(client.code(OPEN, open), StatusCode::Failure);
}

#[test]
fn messages_of_the_system() {
    let (folder, mut client) = on_machine();
    let answer = client.request(STAT, fields().path(folder.path().join("missing")));
    let words = "No such file or directory".to_owned();
    assert_eq!(answer, Answer::Status(StatusCode::NoSuchFile, words));
    let long = "x".repeat(5_000);
    assert_eq!(client.code(STAT, fields().text(long)), StatusCode::BadMessage);
    assert_eq!(client.code(STAT, fields().text("a\0b")), StatusCode::BadMessage);
}

#[test]
fn extensions_are_answered() {
    let (folder, mut client) = on_machine();
    let request = |name: &str| fields().text(name);
    let Answer::Other(limits) = client.request(EXTENDED, request("limits@openssh.com")) else {
        panic!()
    };
    let numbers: Vec<_> =
        limits.chunks(8).map(|number| u64::from_be_bytes(number.try_into().unwrap())).collect();
    assert_eq!(numbers, [262_144, 261_120, 261_120, 1024]);
    let space = client.request(EXTENDED, request("statvfs@openssh.com").path(folder.path()));
    assert!(matches!(space, Answer::Other(data) if data.len() == 11 * 8));
    let handle = client.open(folder.path().join("file"), WRITE_FLAG | CREATE_FLAG);
    assert_eq!(client.code(EXTENDED, request("fsync@openssh.com").text(&handle)), StatusCode::Ok);
    let space = client.request(EXTENDED, request("fstatvfs@openssh.com").text(&handle));
    assert!(matches!(space, Answer::Other(data) if data.len() == 11 * 8));
}
