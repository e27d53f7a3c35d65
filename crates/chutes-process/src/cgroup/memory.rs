//! The memory controller of a cgroup, of either version.

use std::io;
use std::path::{Path, PathBuf};

use super::write;

/// What the kernel has done so far because memory ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OomCount {
    /// How many processes of the cgroup it has killed.
    pub kills: u64,
    /// How often the cgroup was at its own limit; in version 1 whether it ever was.
    pub at_limit: u64,
}

impl OomCount {
    /// The difference from an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            kills: self.kills.saturating_sub(before.kills),
            at_limit: self.at_limit.saturating_sub(before.at_limit),
        }
    }
}

/// The memory controller of one cgroup.
#[derive(Debug)]
pub(super) struct MemoryController {
    directory: PathBuf,
    files: &'static Files,
}

/// The names of the files that differ between the versions.
#[derive(Debug)]
struct Files {
    limit: &'static str,
    in_use: &'static str,
    /// The most that was in use, with file caches.
    peak: &'static str,
    /// The file with `oom_kill N`.
    kills: &'static str,
    /// The line of `memory.stat` that counts cached file contents which the kernel drops when memory is
    /// short.
    droppable: &'static str,
}

const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    in_use: "memory.usage_in_bytes",
    peak: "memory.max_usage_in_bytes",
    kills: "memory.oom_control",
    droppable: "total_inactive_file",
};

const VERSION_2: Files = Files {
    limit: "memory.max",
    in_use: "memory.current",
    peak: "memory.peak",
    kills: "memory.events",
    droppable: "inactive_file",
};

impl MemoryController {
    /// Finds the controller in version 2 or version 1; `None` if neither has it.
    pub(super) fn find(unified: Option<&Path>, version_1: Option<&Path>) -> Option<Self> {
        let has = |directory: Option<&Path>, files: &'static Files| {
            let directory = directory.filter(|one| one.join(files.limit).exists())?.to_owned();
            Some(Self { directory, files })
        };
        has(unified, &VERSION_2).or_else(|| has(version_1, &VERSION_1))
    }

    fn is_version_1(&self) -> bool {
        self.files.limit == VERSION_1.limit
    }

    pub(super) fn limit(&self, bytes: u64) -> io::Result<()> {
        let text = bytes.to_string();
        write(&self.directory.join(self.files.limit), &text)?;
        // Without these files there is no swap, or it is not counted; the limit holds for the rest.
        let (file, text) = if self.is_version_1() {
            ("memory.memsw.limit_in_bytes", text.as_str())
        } else {
            ("memory.swap.max", "0")
        };
        match write(&self.directory.join(file), text) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn in_use(&self) -> Option<u64> {
        let all = self.number(self.files.in_use)?;
        let droppable =
            self.read("memory.stat").and_then(|text| value(&text, self.files.droppable));
        Some(all.saturating_sub(droppable.unwrap_or(0)))
    }

    /// The most memory that was in use, in bytes; kernels before 5.19 do not count it in version 2.
    pub(super) fn peak(&self) -> Option<u64> {
        self.number(self.files.peak)
    }

    pub(super) fn oom_count(&self) -> Option<OomCount> {
        let text = self.read(self.files.kills)?;
        let kills = value(&text, "oom_kill")?;
        let at_limit = if self.is_version_1() {
            u64::from(self.was_at_limit()?)
        } else {
            value(&text, "oom")?
        };
        Some(OomCount { kills, at_limit })
    }

    /// Version 1 has a counter for this, too, but new kernels no longer update it.
    fn was_at_limit(&self) -> Option<bool> {
        Some(self.peak()? >= self.number(self.files.limit)?)
    }

    fn number(&self, file: &str) -> Option<u64> {
        self.read(file)?.trim().parse().ok()
    }

    fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.join(file)).ok()
    }
}

/// The number behind a name, in a file of lines like `name number`.
pub(super) fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        if key == name { value.trim().parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(
        files: &[(&str, &str)],
        version_1: bool,
    ) -> (tempfile::TempDir, MemoryController) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = Some(folder.path());
        let found = if version_1 {
            MemoryController::find(None, path)
        } else {
            MemoryController::find(path, None)
        };
        (folder, found.unwrap())
    }

    #[test]
    fn version_2() {
        let (folder, memory) = controller(
            &[
                ("memory.max", "max"),
                ("memory.swap.max", "max"),
                ("memory.current", "5000\n"),
                ("memory.peak", "9000\n"),
                ("memory.stat", "anon 1\ninactive_file 1200\n"),
                ("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ],
            false,
        );
        memory.limit(4096).unwrap();
        let written = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        // A file of a cgroup takes each write as a whole; an ordinary file keeps the bytes behind it.
        assert_eq!(written("memory.max"), "4096");
        assert_eq!(written("memory.swap.max"), "0ax");
        assert_eq!((memory.in_use(), memory.peak()), (Some(3800), Some(9000)));
        assert_eq!(memory.oom_count(), Some(OomCount { kills: 1, at_limit: 2 }));
    }

    #[test]
    fn version_1() {
        let (folder, memory) = controller(
            &[
                ("memory.limit_in_bytes", ""),
                ("memory.memsw.limit_in_bytes", ""),
                ("memory.usage_in_bytes", "700"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
                ("memory.max_usage_in_bytes", "4095\n"),
            ],
            true,
        );
        memory.limit(4096).unwrap();
        let written = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(written("memory.limit_in_bytes"), "4096");
        assert_eq!(written("memory.memsw.limit_in_bytes"), "4096");
        assert_eq!((memory.in_use(), memory.peak()), (Some(700), Some(4095)));
        assert_eq!(memory.oom_count(), Some(OomCount { kills: 3, at_limit: 0 }));
        std::fs::write(folder.path().join("memory.max_usage_in_bytes"), "4096\n").unwrap();
        assert_eq!(memory.oom_count(), Some(OomCount { kills: 3, at_limit: 1 }));
    }

    #[test]
    fn files_that_are_not_there() {
        let (folder, memory) = controller(&[("memory.max", "max")], false);
        memory.limit(1).unwrap();
        assert!(!folder.path().join("memory.swap.max").exists());
        assert_eq!((memory.in_use(), memory.peak(), memory.oom_count()), (None, None, None));
        let empty = tempfile::tempdir().unwrap();
        assert!(MemoryController::find(Some(empty.path()), Some(empty.path())).is_none());
    }
}
