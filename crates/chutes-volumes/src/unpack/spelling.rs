//! How archives spell the names of their members, and the one spelling that a path has here.
//!
//! What every unpacker takes without a loss is taken: `./` before a name, components that are empty or `.`,
//! names in the code page of DOS, and backslashes in archives from DOS and Windows, where no name can have one.
//! Everything that leads elsewhere is refused.

use std::borrow::Cow;

use chutes_core::RelativePath;
use zip::System;
use zip::read::ZipFileEntry;

/// The flag of names that are UTF-8.
const IS_UTF8: u16 = 1 << 11;

/// What a member is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelled {
    /// The directory itself that is unpacked into.
    Root,
    Folder(RelativePath),
    File(RelativePath),
}

/// Reads the name of a member. The error says what is wrong with it, after the name.
pub(super) fn spelled(entry: &ZipFileEntry<'_>) -> Result<Spelled, &'static str> {
    let name = decoded(entry)?;
    if matches!(entry.system(), System::Dos | System::WindowsNTFS | System::VFAT) {
        let name = name.replace('\\', "/");
        if has_drive(&name) {
            return Err("begins with a drive");
        }
        return canonical(&name);
    }
    if name.contains('\\') {
        return Err(
            "has a backslash, which is no separator in archives that are not from Windows: pack it with `/`",
        );
    }
    canonical(&name)
}

/// The name as text. Many programs write UTF-8 and do not say so; what is not UTF-8, and is not said to be, is in the
/// code page 437, which is the default of the format.
fn decoded<'a>(entry: &'a ZipFileEntry<'_>) -> Result<Cow<'a, str>, &'static str> {
    match std::str::from_utf8(entry.name_raw()) {
        Ok(name) => Ok(name.into()),
        Err(_) if entry.flags().as_u16() & IS_UTF8 != 0 => Err("has a name that is not UTF-8"),
        Err(_) => entry.name().map_err(|_| "has a name that cannot be read"),
    }
}

/// Whether a name leads from the root of a drive.
fn has_drive(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && letters.as_str().starts_with(":/")
}

fn canonical(name: &str) -> Result<Spelled, &'static str> {
    let bare = name.strip_suffix('/').unwrap_or(name);
    if bare.is_empty() {
        return Err("is empty");
    }
    if bare.starts_with('/') {
        return Err("begins with `/`");
    }
    let is_silent = |component: &&str| !matches!(*component, "" | ".");
    let components: Vec<&str> = bare.split('/').filter(is_silent).collect();
    if components.is_empty() {
        return Ok(Spelled::Root);
    }
    let path = RelativePath::new(&components.join("/")).map_err(|error| error.problem)?;
    let is_folder = name.ends_with('/') || bare.ends_with("/.");
    Ok(if is_folder { Spelled::Folder(path) } else { Spelled::File(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_names() {
        let path = |path: &str| RelativePath::new(path).unwrap();
        for (name, expected) in [
            ("a", Spelled::File(path("a"))),
            ("./a", Spelled::File(path("a"))),
            ("././a/./b", Spelled::File(path("a/b"))),
            ("a//b", Spelled::File(path("a/b"))),
            ("a/", Spelled::Folder(path("a"))),
            ("./a/", Spelled::Folder(path("a"))),
            ("a//", Spelled::Folder(path("a"))),
            ("a/.", Spelled::Folder(path("a"))),
            ("a/./", Spelled::Folder(path("a"))),
            (".a", Spelled::File(path(".a"))),
            (".", Spelled::Root),
            ("./", Spelled::Root),
            (".//./", Spelled::Root),
        ] {
            assert_eq!(canonical(name), Ok(expected), "{name}");
        }
        for (name, expected) in [
            ("", "is empty"),
            ("/", "is empty"),
            ("//", "begins with `/`"),
            ("/a", "begins with `/`"),
            ("/./a", "begins with `/`"),
            ("./../a", "has a component `..`"),
            ("a/..", "has a component `..`"),
            ("a/../", "has a component `..`"),
            ("./a\0", "has a zero byte"),
        ] {
            assert_eq!(canonical(name), Err(expected), "{name}");
        }
    }

    #[test]
    fn drives() {
        for (name, expected) in [
            ("C:/a", true),
            ("c:/", true),
            ("C:a", false),
            ("CC:/a", false),
            ("1:/a", false),
            ("", false),
        ] {
            assert_eq!(has_drive(name), expected, "{name}");
        }
    }
}
