//! Waiting until something is on disk.

use std::io;
use std::os::fd::OwnedFd;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};

/// File systems that put everything on disk when they are asked to at once, and report what could not be written, by their
/// numbers in `statfs(2)`: ext4, XFS, Btrfs, F2FS and tmpfs. Others may only begin to, as FUSE does, or report less.
const AT_ONCE: [u64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

/// The first version of Linux in which such a call reports what could not be written.
const REPORTS_ERRORS: (u32, u32) = (5, 8);

/// Whether [`sync_file_system`] puts all files on disk, or says that it could not.
pub(crate) fn syncs_at_once(folder: &Dir) -> bool {
    let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let reports_errors = version.and_then(|text| version_of(&text)) >= Some(REPORTS_ERRORS);
    let number = rustix::fs::fstatfs(folder).map(|found| u64::try_from(found.f_type));
    reports_errors && matches!(number, Ok(Ok(number)) if AT_ONCE.contains(&number))
}

/// Reads a version as `6.1.0-13-amd64`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split(|sign: char| !sign.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Waits until everything that was written to the file system of a folder is on disk.
pub(crate) fn sync_file_system(folder: &Dir) -> io::Result<()> {
    Ok(rustix::fs::syncfs(readable(folder)?)?)
}

/// Waits until the names in a folder are on disk.
pub(crate) fn sync(folder: &Dir) -> io::Result<()> {
    match rustix::fs::fsync(readable(folder)?) {
        // Some network file systems do not support it, and have written the names already.
        Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A handle of a folder that can be synced.
fn readable(folder: &Dir) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, c".", flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in [
            ("6.1.0-13-amd64\n", Some((6, 1))),
            ("5.8.0", Some((5, 8))),
            ("5.10-rc1", Some((5, 10))),
            ("6", None),
            ("", None),
            ("six.1", None),
        ] {
            assert_eq!(version_of(text), expected, "{text:?}");
        }
        assert!(None < Some(REPORTS_ERRORS) && Some((5, 7)) < Some(REPORTS_ERRORS));
    }
}
