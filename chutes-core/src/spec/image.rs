//! The name of a container image, and paths inside of a container.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Escaped;

/// The name of a container image, with its registry, tag and digest, as far as they were given.
///
/// ```
/// use chutes::spec::ImageName;
///
/// let image = ImageName::new("registry.test:5000/team/train:1.2")?;
/// assert_eq!(image.short_name(), "train");
/// assert_eq!(ImageName::new("alpine")?.tagged(), "alpine:latest");
/// assert!(ImageName::new("--privileged").is_err());
/// # Ok::<(), chutes::spec::ImageNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(Box<str>);

/// The longest image name, in bytes.
const MAX_IMAGE_BYTES: usize = 255;

impl ImageName {
    /// Checks a name: letters, digits and `._-/:@`, at most 255 bytes, beginning with a letter or a
    /// digit, without an empty component.
    pub fn new(name: &str) -> Result<Self, ImageNameError> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
        let is_image = name.len() <= MAX_IMAGE_BYTES
            && name.bytes().all(is_known)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !name.ends_with([':', '@']);
        if is_image { Ok(Self(name.into())) } else { Err(ImageNameError { name: name.to_owned() }) }
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with the tag `latest` if it has neither a tag nor a digest.
    #[must_use]
    pub fn tagged(&self) -> String {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        if last.contains([':', '@']) { self.0.to_string() } else { format!("{}:latest", self.0) }
    }

    /// The last component, without tag and digest.
    #[must_use]
    pub fn short_name(&self) -> &str {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        last.split([':', '@']).next().unwrap_or_default()
    }
}

impl TryFrom<String> for ImageName {
    type Error = ImageNameError;

    fn try_from(name: String) -> Result<Self, ImageNameError> {
        Self::new(&name)
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A text that is not an [`ImageName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageNameError {
    /// The text.
    pub name: String,
}

impl fmt::Display for ImageNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not the name of an image, for instance `registry.test/team/train:1.2`",
            Escaped(&self.name)
        )
    }
}

impl std::error::Error for ImageNameError {}

/// An absolute path of a directory inside of a container, in its canonical spelling.
///
/// The directories of the container's own system, and those that a run mounts itself (`/volume`,
/// `/output`), cannot be named, nor what is above them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContainerPath(Box<str>);

/// Directories that a mount would take away from the image, or from the run.
const TAKEN: [&str; 14] = [
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "output", "proc", "sbin", "specs", "sys",
    "usr", "volume",
];

impl ContainerPath {
    /// Checks a path: `/` and a [`RelativePath`](crate::RelativePath), with or without one `/` at its
    /// end, at most 255 bytes.
    ///
    /// ```
    /// use chutes::spec::ContainerPath;
    ///
    /// assert_eq!(ContainerPath::new("/artifacts/")?.as_str(), "/artifacts");
    /// assert!(ContainerPath::new("/a/../etc").is_err());
    /// assert!(ContainerPath::new("/volume").is_err());
    /// # Ok::<(), chutes::spec::ContainerPathError>(())
    /// ```
    pub fn new(path: &str) -> Result<Self, ContainerPathError> {
        let wrong = |problem| Err(ContainerPathError { path: path.to_owned(), problem });
        let Some(rest) = path.strip_prefix('/') else {
            return wrong("does not begin with `/`");
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(problem) = crate::rule::relative_path_problem(rest) {
            return wrong(if rest.is_empty() { "is the root of the container" } else { problem });
        }
        if path.len() > 255 {
            return wrong("has more than 255 bytes");
        }
        if path.contains([':', ',']) || path.chars().any(char::is_control) {
            return wrong(
                "has a character that cannot be mounted: `:`, `,` or a control character",
            );
        }
        if rest.split('/').next().is_some_and(|first| TAKEN.contains(&first)) {
            return wrong("is below a directory that belongs to the system or to the run");
        }
        Ok(Self(format!("/{rest}").into()))
    }

    /// The path, without `/` at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A text that is not a [`ContainerPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPathError {
    /// The text.
    pub path: String,
    /// What is wrong with it, after its name.
    pub problem: &'static str,
}

impl fmt::Display for ContainerPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", Escaped(&self.path), self.problem)
    }
}

impl std::error::Error for ContainerPathError {}
