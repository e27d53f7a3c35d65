//! What the kernel counts for all processes of a cgroup together.

use std::path::Path;
use std::time::Duration;

use super::Cgroup;
use super::memory::value;

/// What the kernel has counted for a cgroup. What it does not count, or what cannot be read, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) cpu: Option<Duration>,
    /// The memory in use now without droppable file caches, in bytes.
    pub(crate) memory: Option<u64>,
    /// The most memory in use, in bytes, with file caches.
    pub(crate) peak_memory: Option<u64>,
    /// What was read from storage and written to it, in bytes.
    pub(crate) transferred: Option<Transferred>,
}

/// Numbers of bytes that were read from storage and written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transferred {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl Transferred {
    fn since(self, before: Self) -> Self {
        Self {
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
        }
    }
}

impl Cgroup {
    /// What the kernel has counted since the cgroup was made; processes that have ended, and cgroups in it that were
    /// removed, are included. It costs the reading of at most five small files, however many processes there are.
    pub(crate) fn counted(&self) -> Counted {
        let before = &self.before;
        let file = |name| self.unified.as_deref().and_then(|directory| read(directory, name));
        // Version 2 counts CPU time even where it has no controllers.
        let cpu = file("cpu.stat").and_then(|text| cpu(&text));
        let transferred = file("io.stat").map(|text| transferred(&text));
        Counted {
            cpu: cpu.map(|cpu| cpu.saturating_sub(before.cpu.unwrap_or_default())),
            memory: self.memory_in_use(),
            peak_memory: self.memory.as_ref().and_then(super::MemoryController::peak),
            transferred: transferred.map(|it| it.since(before.transferred.unwrap_or_default())),
        }
    }
}

fn read(directory: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(directory.join(file)).ok()
}

/// Reads the text of `cpu.stat`.
fn cpu(text: &str) -> Option<Duration> {
    value(text, "usage_usec").map(Duration::from_micros)
}

/// Reads the text of `io.stat`: a line for each device, like `8:0 rbytes=4096 wbytes=0 rios=1`.
fn transferred(text: &str) -> Transferred {
    let sum = |key: &str| {
        let fields = text.split_ascii_whitespace().filter_map(|field| field.split_once('='));
        let numbers = fields.filter(|(name, _)| *name == key).filter_map(|(_, n)| n.parse().ok());
        numbers.fold(0, u64::saturating_add)
    };
    Transferred { read: sum("rbytes"), written: sum("wbytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(cpu(text), expected.map(Duration::from_micros), "{text:?}");
        };
        check("usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n", Some(1_500));
        check("user_usec 1000\nusage_usec 7\n", Some(7));
        check("usage_usec x\n", None);
        check("", None);
    }

    #[test]
    fn transfers() {
        let check = |text: &str, read: u64, written: u64| {
            assert_eq!(transferred(text), Transferred { read, written }, "{text:?}");
        };
        check("", 0, 0);
        check("8:0 \n", 0, 0);
        check("8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=9 dios=1\n", 4_096, 512);
        check("8:0 rbytes=1 wbytes=2\n259:1 rbytes=10 wbytes=20 rios=x\n", 11, 22);
        check("8:0 rbytes=x wbytes=-1 rbytes\n", 0, 0);
        let most = u64::MAX;
        check(&format!("8:0 rbytes={most} wbytes=1\n8:1 rbytes=1 wbytes=1"), most, 2);
    }

    #[test]
    fn what_was_counted_before_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("cpu.stat", "usage_usec 1000\n");
        write("io.stat", "8:0 rbytes=100 wbytes=7\n");
        let cgroup = Cgroup::of(Some(folder.path().to_owned()), None).unwrap();
        let transferred = Some(Transferred::default());
        let none = Counted { cpu: Some(Duration::ZERO), transferred, ..Counted::default() };
        assert_eq!(cgroup.counted(), none);
        write("cpu.stat", "usage_usec 4000\n");
        write("io.stat", "8:0 rbytes=100 wbytes=7\n8:1 rbytes=3 wbytes=0\n");
        let transferred = Some(Transferred { read: 3, written: 0 });
        let cpu = Some(Duration::from_millis(3));
        assert_eq!(cgroup.counted(), Counted { cpu, transferred, ..none });
        std::fs::remove_file(folder.path().join("io.stat")).unwrap();
        std::fs::remove_file(folder.path().join("cpu.stat")).unwrap();
        assert_eq!(cgroup.counted(), Counted::default());
    }
}
