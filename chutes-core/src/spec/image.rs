//! The name of a container image, and paths inside of a container.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod reference;

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
    /// Checks a name by the grammar that engines and registries share: a registry, which may be left out, a path
    /// in lowercase letters, a tag, and a digest; at most 255 bytes.
    pub fn new(name: &str) -> Result<Self, ImageNameError> {
        let checked = Self::recorded(name)?;
        match reference::problem(name) {
            Some(problem) => Err(ImageNameError { name: name.to_owned(), problem }),
            None => Ok(checked),
        }
    }

    /// Checks the name of a run that was accepted, perhaps by an earlier version: it may name no image that there
    /// can be, and is as harmless as other names.
    pub(super) fn recorded(name: &str) -> Result<Self, ImageNameError> {
        let wrong = |problem| Err(ImageNameError { name: name.to_owned(), problem });
        if name.len() > MAX_IMAGE_BYTES {
            return wrong("it has more than 255 bytes");
        }
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
        if !name.bytes().all(is_known) {
            return wrong("it has letters, digits and `._-/:@` only");
        }
        if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return wrong("it begins with a letter or a digit");
        }
        let has_parts = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !has_parts || name.ends_with([':', '@']) {
            return wrong("a part of it is empty");
        }
        Ok(Self(name.into()))
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
    /// What is wrong with it, or what is right.
    pub problem: &'static str,
}

impl fmt::Display for ImageNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not the name of an image, for instance `registry.test/team/train:1.2`: {}",
            Escaped(&self.name),
            self.problem
        )
    }
}

impl std::error::Error for ImageNameError {}

/// An absolute path of a directory inside of a container, in its canonical spelling.
///
/// The directories of the container's own system, those in which engines put files of their own (`/run`), and those
/// that a run mounts itself (`/volume`, `/output`) cannot be named, nor what is above them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContainerPath(Box<str>);

/// Directories that engines use, too: a file of theirs would be in the way, or would be returned as an artifact.
/// `/var/run` is the same as `/run` in nearly every image.
const OF_ENGINES: [&str; 3] = ["run", "var/run", ".dockerenv"];

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
        let checked = Self::recorded(path)?;
        let below = checked.as_str().trim_start_matches('/');
        let is_in = |folder: &&str| {
            below.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if OF_ENGINES.iter().any(is_in) {
            let problem = "is in a directory in which the container engine puts files of its own";
            return Err(ContainerPathError { path: path.to_owned(), problem });
        }
        Ok(checked)
    }

    /// Checks the path of a run that was accepted, perhaps by an earlier version.
    pub(super) fn recorded(path: &str) -> Result<Self, ContainerPathError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each path with a part of what is said about it; empty where it is right.
    #[test]
    fn directories_of_artifacts() {
        let of_engine = "container engine puts files";
        let taken = "belongs to the system or to the run";
        for (path, expected) in [
            ("/artifacts", ""),
            ("/runs/a", ""),
            ("/var/runs", ""),
            ("/var/lib/x/", ""),
            ("/run", of_engine),
            ("/run/", of_engine),
            ("/run/podman-init", of_engine),
            ("/var/run/x", of_engine),
            ("/.dockerenv", of_engine),
            ("/dev/shm", taken),
            ("/proc/self", taken),
            ("/sys", taken),
            ("/output/a", taken),
            ("/", "root"),
            ("artifacts", "begin with `/`"),
            ("/a:b", "cannot be mounted"),
        ] {
            let said = ContainerPath::new(path).err().map(|error| error.to_string());
            let said = said.unwrap_or_default();
            let is_right =
                if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
            assert!(is_right, "{path}: {said:?}");
        }
        assert!(ContainerPath::recorded("/run/podman-init").is_ok());
    }
}
