//! What becomes of honest, broken and hostile zip files.

mod archive;
mod honest;
mod hostile;
mod place;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::ambient_authority;
use chutes_core::{FailureKind, InlineZip};
use proptest::prelude::*;
use tempfile::TempDir;

use self::archive::{Raw, by_crate, zip};
use super::*;

/// A directory to unpack into, with a neighbour that must not be touched.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("into")).unwrap();
        fs::write(folder.path().join("neighbour"), "untouched").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("into").join(name)
    }

    fn unpack(&self, zip: &[u8]) -> Result<u64, VolumeError> {
        self.unpack_within(zip, &UnpackLimits::default())
    }

    fn unpack_within(&self, zip: &[u8], limits: &UnpackLimits) -> Result<u64, VolumeError> {
        let result = unpack(file(zip), &self.dir(), limits, &AtomicBool::new(false));
        self.check_neighbour();
        result
    }

    fn dir(&self) -> Dir {
        Dir::open_ambient_dir(self.path(""), ambient_authority()).unwrap()
    }

    /// Nothing outside was touched.
    fn check_neighbour(&self) {
        assert_eq!(fs::read_to_string(self.folder.path().join("neighbour")).unwrap(), "untouched");
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 2);
    }

    /// The files with their content and modes; folders end with a slash.
    fn tree(&self) -> BTreeMap<String, (Vec<u8>, u32)> {
        let mut tree = BTreeMap::new();
        list(&self.path(""), "", &mut tree);
        tree
    }
}

fn list(folder: &Path, prefix: &str, tree: &mut BTreeMap<String, (Vec<u8>, u32)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let metadata = entry.metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            tree.insert(format!("{name}/"), (Vec::new(), mode));
            list(&entry.path(), &format!("{name}/"), tree);
        } else {
            assert!(metadata.is_file(), "{name} is {:?}", metadata.file_type());
            tree.insert(name, (fs::read(entry.path()).unwrap(), mode));
        }
    }
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

/// The archive is refused with `DownloadFailed`, and the message has this in it.
fn check_refused(zip: &[u8], limits: &UnpackLimits, expected: &str) {
    let error = Place::new().unpack_within(zip, limits).unwrap_err();
    assert_eq!(error.kind, FailureKind::DownloadFailed, "{error}");
    assert!(error.message.contains(expected), "`{error}` does not say `{expected}`");
}

#[test]
fn everything_is_there() {
    let large: Vec<u8> = (0..400_000_u32).flat_map(|number| (number * 7).to_le_bytes()).collect();
    let zip = by_crate(&[
        ("empty/", 0o755, b""),
        ("a.txt", 0o644, b"hello"),
        ("bin/run.sh", 0o700, b"#!/bin/sh"),
        ("bin/secret", 0o400, b""),
        ("d/e/große Datei.bin", 0o644, &large),
    ]);
    let place = Place::new();
    let bytes = place.unpack(&zip).unwrap();
    assert_eq!(bytes, 5 + 9 + large.len() as u64);
    let expected = [
        ("a.txt", b"hello".to_vec(), 0o644),
        ("bin/", Vec::new(), 0o755),
        ("bin/run.sh", b"#!/bin/sh".to_vec(), 0o755),
        ("bin/secret", Vec::new(), 0o644),
        ("d/", Vec::new(), 0o755),
        ("d/e/", Vec::new(), 0o755),
        ("d/e/große Datei.bin", large, 0o644),
        ("empty/", Vec::new(), 0o755),
    ];
    let expected = expected.map(|(name, content, mode)| (name.to_owned(), (content, mode)));
    assert_eq!(place.tree(), BTreeMap::from(expected));
}

#[test]
fn records_of_all_kinds_are_read() {
    let of_dos = Raw { system: 0, mode: 0, ..Raw::file("a", b"1") };
    for (what, archive, expected) in [
        ("no members", zip(&[]), 0),
        ("zip64", archive::zip64(&[Raw::file("a", b"1")]), 1),
        ("from DOS", zip(std::slice::from_ref(&of_dos)), 1),
        ("after a program", [b"#!/bin/sh\n".to_vec(), zip(&[Raw::file("a", b"1")])].concat(), 1),
        ("a folder after its file", zip(&[Raw::file("d/a", b"1"), Raw::folder("d/")]), 1),
    ] {
        assert_eq!(Place::new().unpack(&archive), Ok(expected), "{what}");
    }
}

#[test]
fn inline_volumes() {
    let check = |base64: &str, expected: Result<&[u8], &str>| {
        let decoded = inline::decode(base64, 8).map(|mut file| {
            assert_eq!(file.stream_position().unwrap(), 0);
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            content
        });
        match (decoded, expected) {
            (Ok(content), Ok(expected)) => assert_eq!(content, expected, "{base64:?}"),
            (Err(error), Err(expected)) => {
                assert_eq!(error.kind, FailureKind::DownloadFailed);
                assert!(error.message.contains(expected), "{error}");
            }
            (decoded, _) => panic!("{base64:?} is {decoded:?}, not {expected:?}"),
        }
    };
    check("", Ok(b""));
    check("aGVsbG8=", Ok(b"hello"));
    check(" aGV\r\n\tsbG8= \n", Ok(b"hello"));
    check("MTIzNDU2Nzg=", Ok(b"12345678"));
    check("MTIzNDU2Nzg5", Err("more than 8 bytes"));
    check("aGVsbG8", Err("not base64"));
    check("aGVsbG8==", Err("not base64"));
    check("aGVsbG9=", Err("not base64"));
    check("aGVs=bG8", Err("not base64"));
    check("aGVs-_8=", Err("not base64"));
    check("é", Err("not base64"));
}

#[test]
fn an_inline_volume_is_unpacked() {
    // Made with `zip -X -0 o.zip a.txt`, of a file with `hi`.
    let base64 = "UEsDBAoAAAAAAAAAIQCsKpPYAgAAAAIAAAAFAAAAYS50eHRoaVBLAQIeAwoAAAAAAAAAIQCsKpPYAgAAAAIAAAAF\n\
                  AAAAAAAAAAAAAACkgQAAAABhLnR4dFBLBQYAAAAAAQABADMAAAAlAAAAAAA=";
    let place = Place::new();
    let zip = decode_inline(&InlineZip::new(base64.to_owned())).unwrap();
    let bytes = unpack(zip, &place.dir(), &UnpackLimits::default(), &AtomicBool::new(false));
    assert_eq!(bytes, Ok(2));
    assert_eq!(fs::read_to_string(place.path("a.txt")).unwrap(), "hi");
}

/// It is refused by the check for what it is refused for when it is unpacked.
#[test]
fn an_inline_volume_is_checked_without_being_written() {
    let mut damaged = by_crate(&[("a", 0o644, &[7; 100])]);
    let at = damaged.iter().position(|byte| *byte == 7).unwrap_or(40);
    damaged[at] ^= 1;
    for zip in [
        by_crate(&[("d/", 0o755, b""), ("d/a", 0o644, b"1")]),
        by_crate(&[("a", 0o644, b"1"), ("../evil", 0o644, b"2")]),
        damaged,
        b"no zip file".to_vec(),
    ] {
        let checked = check_inline_zip(&InlineZip::new(STANDARD.encode(&zip)));
        assert_eq!(checked, Place::new().unpack(&zip).map(drop));
    }
    assert!(check_inline_zip(&InlineZip::new("!!".to_owned())).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let place = Place::new();
        if place.unpack(&bytes).is_err() {
            prop_assert!(place.tree().is_empty());
        }
    }

    #[test]
    fn any_change_is_survived(
        is_64 in any::<bool>(),
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), 1_usize..9),
            1..6,
        ),
    ) {
        let members = [Raw::folder("d/"), Raw::file("d/a", b"one"), Raw::file("b", b"two")];
        let mut bytes = if is_64 { archive::zip64(&members) } else { zip(&members) };
        for (place, byte, length) in changes {
            let begin = place.index(bytes.len());
            let end = bytes.len().min(begin + length);
            bytes[begin..end].fill(byte);
        }
        let place = Place::new();
        // Whether it is still an archive is another question; `unpack` looks after the neighbour.
        let _ = place.unpack(&bytes);
        place.tree();
    }

    #[test]
    fn any_name_stays_inside(name in r"[a./\\\x00-]{0,12}|(\.\./|/|a/|\./){0,6}[ab]?/?") {
        let place = Place::new();
        let parts: Vec<&str> = name.split('/').filter(|part| !["", "."].contains(part)).collect();
        let is_root = name.len() > 1 && parts.is_empty() && !name.starts_with('/') || name == ".";
        let is_path = chutes_core::RelativePath::new(&parts.join("/")).is_ok();
        let is_good = is_root || is_path && !name.starts_with('/');
        let is_folder = name.ends_with('/') || name.ends_with("/.") || name == ".";
        let content: &[u8] = if is_folder { b"" } else { b"1" };
        let result = place.unpack(&zip(&[Raw::file(&name, content)]));
        prop_assert_eq!(result.is_ok(), is_good, "{:?}: {:?}", name, result);
        prop_assert_eq!(place.tree().is_empty(), !is_good || is_root);
    }
}
