//! Archives that are not what they seem, or want to be elsewhere.

use super::*;

#[test]
fn hostile_names() {
    let check = |name: &[u8], expected: &str| {
        let member = Raw { name: name.to_vec(), ..Raw::file("x", b"evil") };
        let zip = zip(&[Raw::file("good", b"1"), member]);
        check_refused(&zip, &UnpackLimits::default(), expected);
        let place = Place::new();
        place.unpack(&zip).unwrap_err();
        assert!(place.tree().is_empty(), "names are checked before anything is written");
    };
    check(b"../evil", "`../evil` in the zip file has a component `..`");
    check(b"..", "has a component `..`");
    check(b"../", "has a component `..`");
    check(b"a/../../evil", "has a component `..`");
    check(b"a/..", "has a component `..`");
    check(b"./../evil", "has a component `..`");
    check(b".//../evil", "has a component `..`");
    check(b".", "is a folder with content");
    check(b"./", "is a folder with content");
    check(b"/etc/passwd", "begins with `/`");
    check(b"//server/share", "begins with `/`");
    check(b"/", "is empty");
    check(b"", "is empty");
    check(b"d//", "is a folder with content");
    check(b"a\0b", "has a zero byte");
    check(b"..\\evil", "has a backslash");
    check(b"C:\\evil", "has a backslash");
    check(b"d\\", "has a backslash");
    check(b"\xff\xfe", "has a name that is not UTF-8");
    check(b"..\xc0\xafevil", "has a name that is not UTF-8");
    check(&[b'x'; 256], "has a component of more than 255 bytes");
    check(&b"d/".repeat(101), "is in more than 100 folders");
    check(b"a/../\x1b[31m", "`a/../\\u{1b}[31m` in the zip file");
}

#[test]
fn names_that_only_look_hostile() {
    let names = ["...", "..a", "a..", "-rf", "~", "$HOME", "%2e%2e", "a b", "C:", "é/ü"];
    let members = names.map(|name| Raw::file(name, b"1"));
    let place = Place::new();
    assert_eq!(place.unpack(&zip(&members)), Ok(10));
    for name in names {
        assert_eq!(fs::read(place.path(name)).unwrap(), b"1", "{name}");
    }
}

#[test]
fn kinds_of_members() {
    let check = |member: &Raw, expected: &str| {
        check_refused(&zip(std::slice::from_ref(member)), &UnpackLimits::default(), expected);
    };
    let link = Raw { mode: 0o120_777, ..Raw::file("link", b"/etc/passwd") };
    check(&link, "`link` in the zip file is a symbolic link");
    check(&Raw { system: 0, ..link.clone() }, "is a symbolic link");
    check(&Raw { name: b"link/".to_vec(), ..link }, "is a symbolic link");
    check(&Raw::file("d/", b"content"), "`d/` in the zip file is a folder with content");
    check(&Raw { flags: 1, ..Raw::file("x", b"1") }, "`x` in the zip file is encrypted");
    for method in [1, 9, 12, 14, 93, 95, 98, 99, 777] {
        check(&Raw { method, ..Raw::file("x", b"1") }, "`x` in the zip file is compressed by");
    }
}

#[test]
fn set_user_id_is_not_kept() {
    let place = Place::new();
    place.unpack(&zip(&[Raw { mode: 0o106_755, ..Raw::file("x", b"1") }])).unwrap();
    assert_eq!(place.tree()["x"].1, 0o755);
}

#[test]
fn what_is_announced_is_not_true() {
    let honest = Raw::file("x", b"12345");
    let check = |member: Raw, expected: &str| {
        let zip = zip(&[member, Raw::file("y", b"a longer member that comes after it")]);
        check_refused(&zip, &UnpackLimits::default(), expected);
    };
    check(Raw { crc: 1, ..honest.clone() }, "`x` in the zip file is damaged: invalid checksum");
    check(Raw { bytes: 6, ..honest.clone() }, "`x` in the zip file has 5 bytes, but 6 are");
    check(Raw { bytes: 4, ..honest.clone() }, "`x` in the zip file is damaged: file is larger");
    check(Raw { packed_bytes: 4, ..honest.clone() }, "`x` in the zip file is damaged");
    check(Raw { packed_bytes: 6, bytes: 6, ..honest.clone() }, "`x` in the zip file is damaged");
    check(Raw { packed_bytes: u32::MAX - 1, ..honest.clone() }, "its members overlap");
    check(Raw { method: 8, ..honest }, "`x` in the zip file is damaged");
}

#[test]
fn members_that_share_a_name() {
    let check = |names: &[&str], expected: &str| {
        let members: Vec<_> = names.iter().map(|name| Raw::file(name, b"")).collect();
        check_refused(&zip(&members), &UnpackLimits::default(), expected);
    };
    check(&["a", "a"], "`a` is twice in the zip file");
    check(&["a", "b", "b"], "`b` is twice in the zip file");
    check(&["a", "b", "c", "b", "d"], "`b` is twice in the zip file");
    check(&["./a", "a"], "`a` in the zip file is there twice");
    check(&["d/a", "d//a"], "`d/a` in the zip file is there twice");
    check(&["a", "a/"], "`a` in the zip file is a file and a folder at once");
    check(&["a/", "a"], "`a` in the zip file is a file and a folder at once");
    check(&["a", "a/b"], "`a/b` in the zip file is a file and a folder at once");
    check(&["a/b/c", "a/b"], "`a/b` in the zip file is a file and a folder at once");
}

#[test]
fn bombs() {
    const MIB: usize = 1024 * 1024;
    let zeros = by_crate(&[("zeros", 0o644, &vec![0; 20 * MIB])]);
    let default = UnpackLimits::default();
    assert_eq!(
        (default.ratio, default.ratio_from),
        (500, 1024 * MIB as u64),
        "docs/spec.md has it"
    );
    // Honest data can be like that, and it fits everywhere.
    assert_eq!(Place::new().unpack(&zeros), Ok(20 * MIB as u64));
    let strict = UnpackLimits { ratio_from: 10 * MIB as u64, ..default.clone() };
    let expected = "`zeros` in the zip file is where more than 500 times its size come out of it, as of a bomb: if it \
                    is none, set CHUTES_MAX_ZIP_RATIO";
    check_refused(&zeros, &strict, expected);
    let patient = UnpackLimits { ratio: 2_000, ..strict.clone() };
    assert_eq!(Place::new().unpack_within(&zeros, &patient), Ok(20 * MIB as u64));
    let small = UnpackLimits { bytes: 20 * MIB as u64 - 1, ..patient };
    check_refused(&zeros, &small, "`zeros` in the zip file is where more than 21.0 MB come out");
    let harmless = by_crate(&[("zeros", 0o644, &vec![0; 10 * MIB])]);
    assert_eq!(Place::new().unpack_within(&harmless, &strict), Ok(10 * MIB as u64));
}

/// A folder that is there twice hides nothing, unless it has something.
#[test]
fn repeated_folders_with_content() {
    let folder = Raw::folder("d/");
    let full = Raw::file("d/", b"content");
    check_refused(&zip(&[full, folder]), &UnpackLimits::default(), "`d/` is twice in the zip file");
}

/// A size that is announced too small does not get more out of it: nothing beyond it is written.
#[test]
fn a_bomb_that_lies() {
    let zip = by_crate(&[("zeros", 0o644, &vec![0; 1024 * 1024])]);
    let size = 0x10_0000_u32.to_le_bytes();
    let at = zip.windows(4).rposition(|window| window == size).unwrap();
    let lying = [&zip[..at], &10_u32.to_le_bytes(), &zip[at + 4..]].concat();
    let place = Place::new();
    let error = place.unpack(&lying).unwrap_err();
    assert!(error.message.contains("`zeros` in the zip file is damaged"), "{error}");
    assert!(place.tree()["zeros"].0.len() <= 10);
}

#[test]
fn members_that_overlap() {
    let kernel = Raw::file("kernel", &[7; 2_000]);
    let mut members = vec![kernel.clone()];
    for number in 0..10 {
        let name = format!("copy{number}").into_bytes();
        members.push(Raw { name, is_at: Some(0), ..kernel.clone() });
    }
    // The others have no bytes of their own.
    for member in &mut members[1..] {
        member.content.clear();
    }
    check_refused(&zip(&members), &UnpackLimits::default(), "its members overlap");
}

#[test]
fn too_many_members() {
    let limits = UnpackLimits { entries: 10, ..UnpackLimits::default() };
    let names: Vec<_> = (0..11).map(|number| Raw::file(&format!("f{number}"), b"")).collect();
    let expected = "`f10` in the zip file is one too many: more than 10 files and folders";
    check_refused(&zip(&names), &limits, expected);
    assert_eq!(Place::new().unpack_within(&zip(&names[..10]), &limits), Ok(0));
    // Folders count that no member names.
    check_refused(&zip(&[Raw::file(&"d/".repeat(20), b"")]), &limits, "is one too many");
    // With zip64, before anything is read.
    check_refused(&archive::zip64(&names), &limits, "the zip file has 11 members, more than 10");
    let mut billions = archive::zip64(&names[..1]);
    let at = billions.windows(4).position(|window| window == b"PK\x06\x06").unwrap();
    billions[at + 24..at + 40].fill(0x7f);
    check_refused(&billions, &limits, "members, more than 10");
    let moved = [&billions[..at], b"PK\x07\x07", &billions[at + 4..]].concat();
    check_refused(&moved, &limits, "its zip64 record is not where it belongs");
}

#[test]
fn a_list_that_is_too_long() {
    let limits = UnpackLimits { entries: 10, ..UnpackLimits::default() };
    // Long names that are all the same take little of the tree, but much of the list.
    let member = Raw::file(&"x".repeat(60_000), b"");
    let zip = zip(&vec![member; 40]);
    check_refused(&zip, &limits, "the list of its members is too long");
}

#[test]
fn not_all_of_an_archive() {
    let zip = by_crate(&[("a", 0o644, b"hello"), ("b/", 0o755, b""), ("b/c", 0o644, b"world")]);
    for length in 0..zip.len() {
        check_refused(&zip[..length], &UnpackLimits::default(), "not a whole zip file: ");
        // The end alone is no better.
        let end = &zip[length.max(1)..];
        assert!(Place::new().unpack(end).is_err(), "{length}");
    }
    check_refused(b"<html>not found</html>", &UnpackLimits::default(), "not a whole zip file: ");
    check_refused(b"PK\x05\x06", &UnpackLimits::default(), "not a whole zip file: ");
}

#[test]
fn stopped() {
    let place = Place::new();
    let zip = by_crate(&[("a", 0o644, b"hello")]);
    let stop = AtomicBool::new(true);
    let error = unpack(file(&zip), &place.dir(), &UnpackLimits::default(), &stop).unwrap_err();
    assert!(error.message.contains("it was stopped"), "{error}");
    assert!(place.tree().is_empty());
}

/// What is in the middle of an archive reads no further.
#[test]
fn stopped_in_the_middle() {
    let (stop, budget) = (AtomicBool::new(false), Cell::new(u64::MAX));
    let mut source = Source::new(Arc::new(file(b"abcdef")), &stop, &budget).unwrap();
    let mut two = [0; 2];
    source.read_exact(&mut two).unwrap();
    assert_eq!(&two, b"ab");
    stop.store(true, Ordering::Relaxed);
    // It must not be one of the errors after which one tries again.
    assert_eq!(source.read_exact(&mut two).unwrap_err().kind(), io::ErrorKind::Other);
}

/// Every number of every record becomes a very large one.
#[test]
fn every_number_is_out_of_range() {
    let members = [Raw::folder("d/"), Raw::file("d/a", b"one")];
    for archive in [zip(&members), archive::zip64(&members)] {
        for (length, byte) in [(4, 0xff), (8, 0xff)] {
            for begin in 0..=archive.len() - length {
                let mut changed = archive.clone();
                changed[begin..begin + length].fill(byte);
                let place = Place::new();
                if let Err(error) = place.unpack(&changed) {
                    assert_eq!(error.kind, FailureKind::DownloadFailed, "{begin}: {error}");
                }
                place.tree();
            }
        }
    }
}
