//! The directories of the cgroups that this process is in.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::supervisor::is_supervisors;

/// The directories of the cgroups of this process in the hierarchies that are used here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CgroupPaths {
    /// In version 2.
    pub(super) unified: Option<PathBuf>,
    /// In the `memory` hierarchy of version 1.
    pub(super) memory: Option<PathBuf>,
}

impl CgroupPaths {
    /// Below which the cgroups of runs and of supervisors are made: those of this process, or their parents if it is a
    /// supervisor in a cgroup of its own.
    pub(super) fn of_runs() -> io::Result<Self> {
        let cgroups = std::fs::read_to_string("/proc/self/cgroup")?;
        let mounts = std::fs::read("/proc/self/mountinfo")?;
        Ok(Self::parse(&cgroups, &mounts).without_supervisors())
    }

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = PathBuf> {
        [self.unified, self.memory].into_iter().flatten()
    }

    fn without_supervisors(self) -> Self {
        let outside = |path: PathBuf| match path.parent() {
            Some(parent) if is_supervisors(&path) => parent.to_owned(),
            _ => path,
        };
        Self { unified: self.unified.map(outside), memory: self.memory.map(outside) }
    }

    /// Reads the texts of `/proc/PID/cgroup` and `/proc/PID/mountinfo`.
    fn parse(cgroups: &str, mounts: &[u8]) -> Self {
        let mut paths = Self::default();
        let mounts: Vec<Mount> =
            mounts.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect();
        for line in cgroups.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(number), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let find =
                |kind: &Kind| mounts.iter().rev().find_map(|mount| mount.directory(kind, path));
            if number == "0" && controllers.is_empty() {
                paths.unified = find(&Kind::Unified);
            } else if controllers.split(',').any(|controller| controller == "memory") {
                paths.memory = find(&Kind::Memory);
            }
        }
        paths
    }

    /// Enables the controllers of version 2 that limit and count, for cgroups below ours. The kernel refuses this
    /// in most cases because this process is in the cgroup itself; they then have to be enabled already.
    pub(super) fn share_controllers(&self) {
        if let Some(unified) = &self.unified {
            for controller in ["+memory", "+io"] {
                let _ = super::write(&unified.join("cgroup.subtree_control"), controller);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Unified,
    Memory,
}

/// One mounted cgroup file system.
#[derive(Debug)]
struct Mount {
    kind: Kind,
    /// The path of the cgroup that is visible at the mount point.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Reads a line of `mountinfo`: `id parent device root point options [tags] - type source options`.
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = fields.iter().position(|field| *field == b"-")?;
        let options = fields.get(dash + 3)?;
        let kind = match *fields.get(dash + 1)? {
            b"cgroup2" => Kind::Unified,
            b"cgroup" if options.split(|byte| *byte == b',').any(|one| one == b"memory") => {
                Kind::Memory
            }
            _ => return None,
        };
        Some(Self { kind, root: unescaped(fields.get(3)?), point: unescaped(fields.get(4)?) })
    }

    /// The directory of a cgroup, if it is visible through this mount.
    fn directory(&self, kind: &Kind, cgroup: &str) -> Option<PathBuf> {
        if self.kind != *kind {
            return None;
        }
        let below = Path::new(cgroup).strip_prefix(&self.root).ok()?;
        // A cgroup outside of the namespace is shown as `/../..`.
        let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
        is_below.then(|| self.point.join(below))
    }
}

/// Blanks, tabs, line breaks and backslashes are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let (b'\\', Some(code)) = (first, code) {
            bytes.push(code);
            rest = &behind[3..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(cgroups: &str, mounts: &str, unified: Option<&str>, memory: Option<&str>) {
        let expected =
            CgroupPaths { unified: unified.map(PathBuf::from), memory: memory.map(PathBuf::from) };
        assert_eq!(CgroupPaths::parse(cgroups, mounts.as_bytes()), expected, "{cgroups}");
    }

    #[test]
    fn paths() {
        const UNIFIED: &str =
            "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        check(
            "0::/user.slice/a b.scope\n",
            UNIFIED,
            Some("/sys/fs/cgroup/user.slice/a b.scope"),
            None,
        );
        check("0::/\n", UNIFIED, Some("/sys/fs/cgroup"), None);
        check("0::/x\n", "", None, None);
        check("0::/../other\n", UNIFIED, None, None);
        check("", UNIFIED, None, None);
        check("0::/a:b\n", UNIFIED, Some("/sys/fs/cgroup/a:b"), None);
    }

    #[test]
    fn paths_in_version_1() {
        const MOUNTS: &str = "\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        check(
            "9:name=systemd:/\n4:memory:/group/one\n1:cpu:/\n0::/\n",
            MOUNTS,
            Some("/sys/fs/cgroup/unified"),
            Some("/sys/fs/cgroup/memory/group/one"),
        );
        check("4:cpu,memory:/a\n", MOUNTS, None, Some("/sys/fs/cgroup/memory/a"));
        check(
            "4:memory:/docker/7\n",
            "9 8 0:2 /docker/7 /cg\\040v1 ro - cgroup none rw,memory\n",
            None,
            Some("/cg v1"),
        );
        check(
            "4:memory:/docker/8\n",
            "9 8 0:2 /docker/7 /cg ro - cgroup none rw,memory\n",
            None,
            None,
        );
        check("4:cpu:/\n", MOUNTS, None, None);
    }

    #[test]
    fn paths_of_a_supervisor() {
        for (inside, outside) in [
            ("/a/chutes-supervisor-0190f3e2-7b1c-7000-8000-00000000000a", "/a"),
            ("/chutes-supervisor-0190f3e2-7b1c-7000-8000-00000000000a", "/"),
            (
                "/a/chutes-supervisor-0190f3e2-7b1c-7000-8000-00000000000a/b",
                "/a/chutes-supervisor-0190f3e2-7b1c-7000-8000-00000000000a/b",
            ),
            (
                "/a/chutes-0190f3e2-7b1c-7000-8000-00000000000a",
                "/a/chutes-0190f3e2-7b1c-7000-8000-00000000000a",
            ),
            ("/a/chutes-supervisor-x", "/a/chutes-supervisor-x"),
            ("/", "/"),
        ] {
            let paths =
                |path: &str| CgroupPaths { unified: Some(path.into()), memory: Some(path.into()) };
            assert_eq!(paths(inside).without_supervisors(), paths(outside));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(cgroups in "[0-9a-z:/,.\n]{0,60}", mounts: Vec<u8>, tail in "[ -~\n]{0,80}") {
            let mounts = [mounts, tail.into_bytes()].concat();
            let _ = CgroupPaths::parse(&cgroups, &mounts);
        }

        #[test]
        fn any_directory_is_found(name in "[ a-z\\\\\t]{1,20}") {
            let escaped: String = name
                .bytes()
                .map(|b| if b.is_ascii_lowercase() { char::from(b).to_string() } else { format!("\\{b:03o}") })
                .collect();
            let mounts = format!("1 2 0:3 / /{escaped} rw - cgroup2 none rw\n");
            let paths = CgroupPaths::parse("0::/run\n", mounts.as_bytes());
            prop_assert_eq!(paths.unified, Some(Path::new("/").join(name).join("run")));
        }
    }
}
