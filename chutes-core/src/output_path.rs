//! The path of an output file: relative, of any bytes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The path of a file below a directory of the run, with `/` between its parts.
///
/// A part is any bytes that a file name can have; it need not be text. There is no empty part, none
/// that is `.` or `..`, and no zero byte, so that a path never leads out of its directory. The one
/// exception is `.` alone, the directory itself.
///
/// ```
/// use chutes::manifest::OutputPath;
///
/// let path = OutputPath::new(*b"checkpoints/epoch-1.bin")?;
/// assert_eq!(path.to_string(), "checkpoints/epoch-1.bin");
/// assert_eq!(OutputPath::new(*b"100%\xff")?.to_string(), "100%25%FF");
/// assert!(OutputPath::new(*b"../etc/passwd").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In JSON an object with `path`, a text. A path that is not UTF-8 is written in percent-encoding, with
/// `"path_encoding":"percent"` beside it. Where a file is described, these are fields of the file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "record::PathRecord", try_from = "record::PathRecord")]
pub struct OutputPath(Box<[u8]>);

impl OutputPath {
    /// Checks a path.
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, OutputPathError> {
        let path = path.into();
        let is_part = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
        if path == b"." || path.split(|byte| *byte == b'/').all(is_part) {
            Ok(Self(path.into()))
        } else {
            Err(OutputPathError { path: Self(path.into()).to_string() })
        }
    }

    /// The directory itself: `.`.
    #[must_use]
    pub fn root() -> Self {
        Self(b".".as_slice().into())
    }

    /// The path of an entry of this directory.
    ///
    /// ```
    /// use chutes::manifest::OutputPath;
    ///
    /// let folder = OutputPath::root().join(b"a")?;
    /// assert_eq!(folder.join(b"b")?, OutputPath::new(*b"a/b")?);
    /// assert!(folder.join(b"..").is_err());
    /// # Ok::<(), chutes::manifest::OutputPathError>(())
    /// ```
    pub fn join(&self, name: &[u8]) -> Result<Self, OutputPathError> {
        if self.is_root() {
            return Self::new(name);
        }
        Self::new([self.as_bytes(), b"/", name].concat())
    }

    /// Whether this is the directory itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        *self.0 == *b"."
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, unless the path is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.parts().last().unwrap_or_default()
    }
}

mod record {
    //! The JSON form: a text, and how it is to be read.

    use super::{OutputPath, OutputPathError};

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum PathEncoding {
        /// Bytes that are not part of UTF-8 text, and `%`, as `%` and two hexadecimal digits.
        Percent,
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct PathRecord {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path_encoding: Option<PathEncoding>,
    }

    impl From<OutputPath> for PathRecord {
        fn from(path: OutputPath) -> Self {
            let is_text = path.as_str().is_some();
            let path_encoding = if is_text { None } else { Some(PathEncoding::Percent) };
            Self { path: path.to_string(), path_encoding }
        }
    }

    impl TryFrom<PathRecord> for OutputPath {
        type Error = OutputPathError;

        fn try_from(record: PathRecord) -> Result<Self, OutputPathError> {
            match record.path_encoding {
                None => Self::new(record.path),
                Some(PathEncoding::Percent) => Self::new(percent_decode(record.path.as_bytes())),
            }
        }
    }

    fn percent_decode(mut text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len());
        while let Some((first, rest)) = text.split_first() {
            let digits = rest.get(..2).filter(|_| *first == b'%');
            let byte = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(byte.unwrap_or(*first));
            text = if byte.is_some() { &rest[2..] } else { rest };
        }
        bytes
    }
}

/// Text as it is. A path that is not UTF-8 is shown in percent-encoding: its other bytes, and `%`, as
/// `%` and two hexadecimal digits.
impl fmt::Display for OutputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.as_str() {
            return f.write_str(text);
        }
        for chunk in self.0.utf8_chunks() {
            f.write_str(&chunk.valid().replace('%', "%25"))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for OutputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl PartialEq<str> for OutputPath {
    fn eq(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }
}

impl PartialEq<&str> for OutputPath {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

/// A path that is not that of a file below a directory.
///
/// ```
/// let error = chutes::manifest::OutputPath::new(*b"a//b").unwrap_err();
/// assert_eq!(error.to_string(), "`a//b` is not a relative path without empty parts, `.` and `..`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPathError {
    /// The path.
    pub path: String,
}

impl fmt::Display for OutputPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = crate::Escaped(&self.path);
        write!(f, "`{path}` is not a relative path without empty parts, `.` and `..`")
    }
}

impl std::error::Error for OutputPathError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            (&b"a"[..], true),
            (b"a/b/.c", true),
            (b"two\nlines", true),
            (b"\xff", true),
            (b".", true),
            (b"", false),
            (b"/a", false),
            (b"a/", false),
            (b"a/./b", false),
            (b"./a", false),
            (b"..", false),
            (b"a/../b", false),
            (b"a\0b", false),
        ] {
            assert_eq!(OutputPath::new(path).is_ok(), expected, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn text_form_is_lossless(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(path) = OutputPath::new(bytes) {
                let text = serde_json::to_string(&path).unwrap();
                prop_assert_eq!(serde_json::from_str::<OutputPath>(&text).unwrap(), path);
            }
        }
    }
}
