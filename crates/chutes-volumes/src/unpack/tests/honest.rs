//! Archives that other programs make and unpack, however odd they are.

use super::*;

/// Without a word that names are UTF-8.
fn unnamed(name: &[u8], content: &[u8]) -> Raw {
    Raw { name: name.to_vec(), flags: 0, ..Raw::file("x", content) }
}

/// The archive is unpacked to these files; folders end with a slash.
#[track_caller]
fn check(members: &[Raw], expected: &[(&str, &[u8])]) {
    let place = Place::new();
    place.unpack(&zip(members)).unwrap();
    let tree = place.tree();
    let tree: Vec<(&str, &[u8])> =
        tree.iter().map(|(name, (content, _))| (name.as_str(), content.as_slice())).collect();
    assert_eq!(tree, expected);
}

/// As `tar -a -cf x.zip .` of libarchive writes it.
#[test]
fn names_with_components_that_say_nothing() {
    let members = [
        Raw::folder("./"),
        Raw::folder("./d/"),
        Raw::file("./d/a", b"1"),
        Raw::file("d//b", b"2"),
        Raw::file("././c", b"3"),
        Raw::folder("e//"),
    ];
    check(&members, &[("c", b"3"), ("d/", b""), ("d/a", b"1"), ("d/b", b"2"), ("e/", b"")]);
    check(&[Raw::folder(".")], &[]);
}

#[test]
fn folders_that_are_there_twice() {
    let [folder, file] = [Raw::folder("d/"), Raw::file("d/a", b"1")];
    for members in [
        vec![folder.clone(), folder.clone(), file.clone()],
        vec![folder.clone(), file.clone(), folder.clone(), folder.clone()],
        vec![Raw::folder("./d/"), file.clone(), Raw::folder("d//")],
        vec![file.clone(), folder.clone(), Raw::folder("d/./")],
    ] {
        check(&members, &[("d/", b""), ("d/a", b"1")]);
        assert_eq!(Place::new().unpack(&archive::zip64(&members)), Ok(1));
    }
}

/// As Python decodes them, and all others where the format is taken at its word. Many programs write UTF-8 without
/// saying so.
#[test]
fn names_in_the_code_page_of_dos() {
    check(&[unnamed(b"Gr\x81\xe1e.txt", b"1")], &[("Grüße.txt", b"1")]);
    check(&[unnamed(b"\x80\x9b\xe3\xff", b"1")], &[("Ç¢π\u{a0}", b"1")]);
    check(&[unnamed("Grüße.txt".as_bytes(), b"1")], &[("Grüße.txt", b"1")]);
    // Names that become the same are still the same.
    let twice = zip(&[unnamed(b"\x81", b"1"), Raw::file("ü", b"2")]);
    check_refused(&twice, &UnpackLimits::default(), "`ü` in the zip file is there twice");
}

/// `cmd | zip x.zip -` marks what it has read as a pipe; with other inputs, as a socket or a device. Nothing but plain
/// files is ever made.
#[test]
fn members_that_were_read_from_something_else() {
    for mode in [0o010_600, 0o140_777, 0o020_666, 0o060_660, 0o170_644, 0o030_644] {
        let member = Raw { mode, ..Raw::file("-", b"1") };
        check(std::slice::from_ref(&member), &[("-", b"1")]);
        check(&[Raw { system: 0, ..member }], &[("-", b"1")]);
    }
}

/// Only their mode says what they are.
#[test]
fn folders_without_a_slash() {
    let folder = Raw { mode: 0o040_755, ..Raw::file("d", b"") };
    check(&[folder.clone(), Raw::file("d/a", b"1")], &[("d/", b""), ("d/a", b"1")]);
    check(&[Raw::folder("d/"), folder.clone()], &[("d/", b"")]);
    // What has content is a file, whatever its mode is.
    check(&[Raw { mode: 0o040_755, ..Raw::file("d", b"1") }], &[("d", b"1")]);
}

/// From systems whose names cannot have them: they separate folders, as some programs of Windows write it.
#[test]
fn backslashes_from_windows() {
    for system in [0, 10, 14] {
        let of = |name: &str, content| Raw { system, ..Raw::file(name, content) };
        let members = [of("foo\\", b""), of("foo\\bar.txt", b"1"), of("foo/baz\\a", b"2")];
        check(
            &members,
            &[("foo/", b""), ("foo/bar.txt", b"1"), ("foo/baz/", b""), ("foo/baz/a", b"2")],
        );
        for (name, expected) in [
            ("..\\evil", "has a component `..`"),
            ("a\\..\\..\\evil", "has a component `..`"),
            ("\\evil", "begins with `/`"),
            ("\\\\server\\share", "begins with `/`"),
            ("C:\\evil", "begins with a drive"),
        ] {
            check_refused(&zip(&[of(name, b"1")]), &UnpackLimits::default(), expected);
        }
    }
    let elsewhere = zip(&[Raw::file("foo\\bar.txt", b"1")]);
    let expected = "`foo\\bar.txt` in the zip file has a backslash, which is no separator in archives that are not \
                    from Windows: pack it with `/`";
    check_refused(&elsewhere, &UnpackLimits::default(), expected);
}
