//! The keys of the files of a run in an object store.
//!
//! A key is the path of the file, except for what some store or tool would interpret: control characters, bytes that are not UTF-8, `%`, `\`, and a `.` at the end of a part are
//! written as `%` and two hexadecimal digits. So two paths never have the same key.

use std::fmt::Write;

use chutes_core::{FileKind, OutputPath};
use chutes_transfer::TransferError;
use object_store::path::Path;

/// The keys below one prefix.
pub(super) struct Keys {
    prefix: Path,
}

impl Keys {
    pub(super) fn new(prefix: Path) -> Self {
        Self { prefix }
    }

    /// The key of a file.
    pub(super) fn file(&self, kind: FileKind, path: &OutputPath) -> Result<Path, TransferError> {
        let parts: Vec<String> = path.parts().map(encoded).collect();
        self.key(&format!("{}/{}", kind.folder(), parts.join("/")))
    }

    /// What the keys of all files of a kind begin with.
    pub(super) fn folder(&self, kind: FileKind) -> Result<Path, TransferError> {
        self.key(kind.folder())
    }

    /// The key of the manifest.
    pub(super) fn manifest(&self) -> Result<Path, TransferError> {
        self.key("manifest.json")
    }

    fn key(&self, path: &str) -> Result<Path, TransferError> {
        let key = Path::parse(format!("{}/{path}", self.prefix));
        key.map_err(|_| TransferError::permanent("its path cannot be a key"))
    }
}

fn encoded(part: &[u8]) -> String {
    let mut text = String::with_capacity(part.len());
    for chunk in part.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || ['%', '\\', '\u{fffe}', '\u{ffff}'].contains(&character) {
                escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    if text.ends_with('.') {
        text.pop();
        escape(&mut text, b".");
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(prefix: &str, path: &[u8]) -> Path {
        let path = OutputPath::new(path).unwrap();
        Keys::new(Path::from(prefix)).file(FileKind::Output, &path).unwrap()
    }

    #[test]
    fn keys() {
        for (prefix, path, expected) in [
            ("", &b"a/b.bin"[..], "outputs/a/b.bin"),
            ("runs/1", b".hidden", "runs/1/outputs/.hidden"),
            ("", "größe ~[1]*?#&+.txt".as_bytes(), "outputs/größe ~[1]*?#&+.txt"),
            ("", b"100%", "outputs/100%25"),
            ("", b"a%0Ab", "outputs/a%250Ab"),
            ("", b"a\nb", "outputs/a%0Ab"),
            ("", b"a\\b", "outputs/a%5Cb"),
            ("", b"a\xff", "outputs/a%FF"),
            ("", b"a./...", "outputs/a%2E/..%2E"),
            ("", "\u{85}".as_bytes(), "outputs/%C2%85"),
        ] {
            assert_eq!(key(prefix, path).as_ref(), expected);
        }
        let log = Keys::new(Path::from("p")).file(FileKind::Log, &OutputPath::new("a").unwrap());
        assert_eq!(log.unwrap().as_ref(), "p/logs/a");
        assert_eq!(Keys::new(Path::ROOT).manifest().unwrap().as_ref(), "manifest.json");
    }

    proptest! {
        #[test]
        fn two_paths_never_have_one_key(paths in proptest::collection::vec("[%0A\\n\\\\/.a\u{fffe}2E5C]{1,6}", 50)) {
            let mut by_key = HashMap::new();
            for path in paths.into_iter().filter_map(|path| OutputPath::new(path).ok()) {
                let key = key("", path.as_bytes());
                prop_assert!(!key.as_ref().contains(['\n', '\\']));
                let other = by_key.insert(key, path.clone());
                prop_assert!(other.is_none_or(|other| other == path));
            }
        }
    }
}
