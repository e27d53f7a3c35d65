//! Which logs are locked, without taking a lock: one that is taken for a moment would make a recovery fail.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, StatxFlags, statx};

/// A file system, by the numbers of its device.
type Device = (u32, u32);

/// What the lock of a log is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogId {
    device: Device,
    /// The mount, if the kernel tells it (Linux 5.8 and later). Files of Btrfs have devices of their own, and only the
    /// mount leads to the one that locks are listed by.
    mount: Option<u64>,
    inode: u64,
}

impl LogId {
    pub(super) fn of(log: &File) -> io::Result<Self> {
        let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
        let found = statx(log, c"", AtFlags::EMPTY_PATH, wanted)?;
        let has_mount = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Ok(Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            mount: has_mount.then_some(found.stx_mnt_id),
            inode: found.stx_ino,
        })
    }
}

/// The files that are locked by `flock` at one moment.
#[derive(Debug, Default)]
pub(super) struct Locks {
    locked: HashSet<(Device, u64)>,
    /// The device of each mount.
    mounts: HashMap<u64, Device>,
}

impl Locks {
    /// Reads what the kernel lists. Where it lists nothing, nothing counts as locked.
    pub(super) fn read() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/locks"), &read("/proc/self/mountinfo"))
    }

    fn parse(locks: &str, mounts: &str) -> Self {
        Self {
            locked: locks.lines().filter_map(locked).collect(),
            mounts: mounts.lines().filter_map(mount).collect(),
        }
    }

    /// Whether somebody holds a lock on the log.
    pub(super) fn holds(&self, log: &LogId) -> bool {
        let of_mount = log.mount.and_then(|mount| self.mounts.get(&mount));
        let mut devices = of_mount.into_iter().chain([&log.device]);
        devices.any(|device| self.locked.contains(&(*device, log.inode)))
    }
}

/// The file of a line of `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 3070 fe:00:10059779 0 EOF`. One that waits for a
/// lock has `->` before its kind.
fn locked(line: &str) -> Option<(Device, u64)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let mut numbers = words.nth(3)?.split(':');
    let mut hexadecimal = || u32::from_str_radix(numbers.next()?, 16).ok();
    let device = (hexadecimal()?, hexadecimal()?);
    Some((device, numbers.next()?.parse().ok()?))
}

/// The mount of a line of `/proc/self/mountinfo`: `36 35 98:0 / /mnt rw - ext3 /dev/root rw`.
fn mount(line: &str) -> Option<(u64, Device)> {
    let mut words = line.split_ascii_whitespace();
    let id = words.next()?.parse().ok()?;
    let (major, minor) = words.nth(1)?.split_once(':')?;
    Some((id, (major.parse().ok()?, minor.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(log: LogId, expected: bool) {
        let locks = "1: POSIX  ADVISORY  WRITE 12 fe:00:1 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 13 fe:00:2 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 14 fe:00:3 0 EOF\n\
                     3: FLOCK  ADVISORY  READ 15 00:2a:4 0 EOF\nnonsense\n";
        let mounts = "27 1 254:0 / / rw - ext4 /dev/vda rw\n30 27 0:42 / /b rw - btrfs /dev/b rw\n";
        assert_eq!(Locks::parse(locks, mounts).holds(&log), expected, "{log:?}");
    }

    #[test]
    fn what_the_kernel_lists() {
        let log = |device, mount, inode| LogId { device, mount, inode };
        check(log((254, 0), Some(27), 2), true);
        check(log((254, 0), None, 2), true);
        // Another kind of lock, one that waits, another file system.
        check(log((254, 0), Some(27), 1), false);
        check(log((254, 0), Some(27), 3), false);
        check(log((254, 1), Some(30), 2), false);
        // A subvolume of Btrfs.
        check(log((0, 57), Some(30), 4), true);
        check(log((0, 57), None, 4), false);
    }

    #[test]
    fn a_lock_of_this_process() {
        let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        file.lock().unwrap();
        let is_held = |file| Locks::read().holds(&LogId::of(file).unwrap());
        assert!(is_held(&file) && !is_held(&other));
        file.unlock().unwrap();
        assert!(!is_held(&file));
    }
}
