//! A path below a directory that comes from outside: of a volume, an output, a member of an archive.

use std::fmt;

use crate::{Escaped, OutputPath, rule};

/// The path of a file or folder below `/volume`, `/output` or another fixed directory: text, relative,
/// and in its one canonical spelling.
///
/// It has no `/` at either end, no component that is empty, `.` or `..`, no zero byte, no backslash, and no
/// component of more than 255 bytes. Nothing is normalised: a path that is not canonical is refused.
///
/// ```
/// use chutes::manifest::RelativePath;
///
/// assert_eq!(RelativePath::new("models/7b.bin")?.as_str(), "models/7b.bin");
/// for refused in ["", "/etc/passwd", "../x", "a//b", "a/./b", "a/", "a\\b", "a\0"] {
///     assert!(RelativePath::new(refused).is_err());
/// }
/// # Ok::<(), chutes::manifest::RelativePathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Box<str>);

impl RelativePath {
    /// Checks a path.
    pub fn new(path: &str) -> Result<Self, RelativePathError> {
        match rule::relative_path_problem(path) {
            None => Ok(Self(path.into())),
            Some(problem) => Err(RelativePathError { path: path.to_owned(), problem }),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, in order. There is at least one.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.components().last().unwrap_or_default()
    }

    /// Whether this is the other path, or below it.
    ///
    /// ```
    /// use chutes::manifest::RelativePath;
    ///
    /// let folder = RelativePath::new("a")?;
    /// assert!(RelativePath::new("a/b")?.is_within(&folder));
    /// assert!(!RelativePath::new("ab")?.is_within(&folder));
    /// # Ok::<(), chutes::manifest::RelativePathError>(())
    /// ```
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(other.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path of an entry of this folder.
    ///
    /// ```
    /// use chutes::manifest::RelativePath;
    ///
    /// let path = RelativePath::new("models")?.join(&RelativePath::new("7b.bin")?);
    /// assert_eq!(path.as_str(), "models/7b.bin");
    /// # Ok::<(), chutes::manifest::RelativePathError>(())
    /// ```
    #[must_use]
    pub fn join(&self, entry: &Self) -> Self {
        Self(format!("{}/{}", self.0, entry.0).into())
    }
}

impl From<&RelativePath> for OutputPath {
    fn from(path: &RelativePath) -> Self {
        // Every path of this kind is one of that kind; the root is never needed.
        Self::new(path.as_str()).unwrap_or_else(|_| Self::root())
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A text that is not a [`RelativePath`].
///
/// ```
/// let error = chutes::manifest::RelativePath::new("../x").unwrap_err();
/// assert_eq!(error.to_string(), "`../x` has a component `..`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelativePathError {
    /// The text.
    pub path: String,
    /// What is wrong with it, after its name.
    pub problem: &'static str,
}

impl fmt::Display for RelativePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", Escaped(&self.path), self.problem)
    }
}

impl std::error::Error for RelativePathError {}
