//! A tree of a few folders, at their paths in a container, and nothing else.
//!
//! Paths are resolved by their names only, `..` too. Below a folder, links are followed as long as they
//! stay in it: a link to an absolute path does not, whatever it would refer to in the container.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::tree::{Access, MountEntry};

/// One folder of this machine, and the path at which it is served.
pub(super) struct Mount {
    at: Vec<String>,
    folder: Dir,
    read_only: bool,
}

impl Mount {
    /// Reads `CONTAINER_PATH=HOST_PATH`, with `:ro` or `:rw` at the end, and opens the folder.
    pub(super) fn open(text: &OsStr) -> io::Result<Self> {
        let shown = text.to_string_lossy();
        let invalid = || io::Error::other(format!("`{shown}` is not `/PATH=/FOLDER`"));
        let bytes = text.as_bytes();
        let sign = bytes.windows(2).position(|pair| pair == b"=/").ok_or_else(invalid)?;
        let (at, host) = (&bytes[..sign], &bytes[sign + 1..]);
        let (host, read_only) = match (host.strip_suffix(b":ro"), host.strip_suffix(b":rw")) {
            (Some(host), _) => (host, true),
            (None, Some(host)) => (host, false),
            (None, None) => (host, false),
        };
        let at = str::from_utf8(at).ok().filter(|at| at.starts_with('/')).ok_or_else(invalid)?;
        let folder = Dir::open_ambient_dir(OsStr::from_bytes(host), ambient_authority());
        let folder = folder.map_err(|error| io::Error::other(format!("`{shown}`: {error}")))?;
        Ok(Self { at: names(at).into_iter().map(str::to_owned).collect(), folder, read_only })
    }

    /// The last name of a path below this folder, with the open folder that it is in.
    pub(super) fn entry(&self, rest: &Path) -> io::Result<MountEntry> {
        let (Some(parent), Some(name)) = (rest.parent(), rest.file_name()) else {
            return Err(Errno::BUSY.into());
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let folder =
            OwnedFd::from(self.folder.open_dir(parent).map_err(outside_error)?.into_std_file());
        Ok(MountEntry::new(folder, name.into()))
    }

    fn open_below(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let rest = flags.difference(
            OFlags::ACCMODE | OFlags::CREATE | OFlags::EXCL | OFlags::TRUNC | OFlags::APPEND,
        ) | (flags & OFlags::PATH);
        let access = flags & OFlags::RWMODE;
        let mut options = OpenOptions::new();
        options
            .read(access != OFlags::WRONLY)
            .write(access != OFlags::RDONLY)
            .append(flags.contains(OFlags::APPEND))
            .create(flags.contains(OFlags::CREATE))
            .create_new(flags.contains(OFlags::CREATE | OFlags::EXCL))
            .truncate(flags.contains(OFlags::TRUNC))
            .mode(mode.bits())
            .custom_flags(i32::try_from(rest.bits()).map_err(|_| Errno::INVAL)?);
        let file = self.folder.open_with(path, &options).map_err(outside_error)?;
        Ok(file.into_std().into())
    }
}

/// What a path refers to.
pub(super) enum MountPath<'a> {
    /// A path below a mounted folder, which need not exist.
    Below(&'a Mount, PathBuf),
    /// A mounted folder itself.
    Root(&'a Mount),
    /// A virtual folder above mounted ones, with the names in it.
    Virtual(BTreeSet<String>),
}

impl MountPath<'_> {
    pub(super) fn may_change(&self) -> bool {
        match self {
            Self::Below(mount, _) | Self::Root(mount) => !mount.read_only,
            Self::Virtual(_) => false,
        }
    }

    /// Opens the file; links are followed as long as they stay in the folder.
    pub(super) fn open(&self, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        match self {
            Self::Below(mount, rest) => mount.open_below(rest, flags, mode),
            Self::Root(mount) => mount.open_below(Path::new("."), flags, mode),
            Self::Virtual(_) => Err(Errno::ACCESS.into()),
        }
    }
}

/// All folders of one server.
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    pub(super) fn new(mounts: Vec<Mount>) -> Self {
        Self(mounts)
    }

    /// Finds the folder that a path is in: the one with the longest path.
    pub(super) fn find(&self, path: &str, access: Access) -> io::Result<MountPath<'_>> {
        let names = names(path);
        let above = |mount: &&Mount| {
            mount.at.len() <= names.len() && mount.at.iter().eq(&names[..mount.at.len()])
        };
        let found = match self.0.iter().filter(above).max_by_key(|mount| mount.at.len()) {
            Some(mount) if mount.at.len() == names.len() => MountPath::Root(mount),
            Some(mount) => MountPath::Below(mount, names[mount.at.len()..].iter().collect()),
            None => MountPath::Virtual(self.virtual_names(&names)),
        };
        match (&found, access) {
            (_, Access::Change) if !found.may_change() => Err(Errno::ROFS.into()),
            (MountPath::Virtual(below), _) if below.is_empty() => Err(Errno::NOENT.into()),
            _ => Ok(found),
        }
    }

    /// The names in a virtual folder.
    fn virtual_names(&self, folder: &[&str]) -> BTreeSet<String> {
        let below = self.0.iter().filter(|mount| {
            mount.at.len() > folder.len()
                && mount.at.iter().zip(folder).all(|(one, other)| one == other)
        });
        below.map(|mount| mount.at[folder.len()].clone()).collect()
    }

    /// The path in its normal form.
    pub(super) fn normal(path: &str) -> String {
        format!("/{}", names(path).join("/"))
    }
}

/// The names of a path from the root. There is nothing above the root.
fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

/// The error for a link that leads out of the folder. The library reports it without an error number.
fn outside_error(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        None if error.kind() == io::ErrorKind::PermissionDenied => io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it leads out of the folders that are to be seen here",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("", "/"),
            (".", "/"),
            ("/", "/"),
            ("//a//./b/", "/a/b"),
            ("/a/../b", "/b"),
            ("../../a", "/a"),
            ("/a/..", "/"),
            ("/a/.../b", "/a/.../b"),
        ] {
            assert_eq!(Mounts::normal(path), expected, "{path:?}");
        }
    }

    #[test]
    fn arguments() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().display().to_string();
        let check = |text: String, expected: Option<(&str, bool)>| {
            let mount = Mount::open(OsStr::new(&text)).ok();
            let found = mount.map(|mount| (format!("/{}", mount.at.join("/")), mount.read_only));
            let expected = expected.map(|(at, read_only)| (at.to_owned(), read_only));
            assert_eq!(found, expected, "{text}");
        };
        check(format!("/output={host}"), Some(("/output", false)));
        check(format!("/output={host}:rw"), Some(("/output", false)));
        check(format!("/a/b={host}:ro"), Some(("/a/b", true)));
        check(format!("/a=b={host}:ro"), Some(("/a=b", true)));
        for text in ["", "/output", "output=/", "=/", "/output=/there/is/no/such/folder"] {
            check(text.to_owned(), None);
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_above_the_root(path in "[a./]{0,40}") {
            let normal = Mounts::normal(&path);
            prop_assert!(normal.starts_with('/'));
            prop_assert!(normal.split('/').all(|name| name != ".." && name != "."));
        }
    }
}
