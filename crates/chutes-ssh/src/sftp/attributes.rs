//! The attributes of a file in the protocol, and its line in the format of `ls -l`.

use jiff::Timestamp;
use russh_sftp::protocol::{File, FileAttributes};
use rustix::fs::{FileType, Stat};

/// The age up to which a time is shown with its hour, in seconds: half a year, as by `ls`.
const RECENT: i64 = 182 * 24 * 60 * 60;

/// The attributes of a file, a folder or a link.
#[derive(Clone, Debug)]
pub(super) struct FileStat {
    pub(super) attributes: FileAttributes,
    links: u64,
}

impl FileStat {
    /// Converts the attributes of the system.
    pub(super) fn of(stat: &Stat) -> Self {
        let attributes = FileAttributes {
            size: Some(u64::try_from(stat.st_size).unwrap_or_default()),
            uid: Some(stat.st_uid),
            gid: Some(stat.st_gid),
            permissions: Some(stat.st_mode),
            atime: Some(seconds(stat.st_atime)),
            mtime: Some(seconds(stat.st_mtime)),
            ..FileAttributes::default()
        };
        #[expect(clippy::useless_conversion, reason = "not of the same type on all processors")]
        Self { attributes, links: stat.st_nlink.into() }
    }

    /// A virtual folder, which exists only because a mount is below it.
    pub(super) fn virtual_folder() -> Self {
        let attributes = FileAttributes {
            size: Some(0),
            uid: Some(0),
            gid: Some(0),
            permissions: Some(FileType::Directory.as_raw_mode() | 0o555),
            atime: Some(0),
            mtime: Some(0),
            ..FileAttributes::default()
        };
        Self { attributes, links: 1 }
    }

    /// An entry of a folder with this name.
    pub(super) fn named(self, name: String) -> File {
        let longname = self.long_name(&name, Timestamp::now().as_second());
        File { filename: name, longname, attrs: self.attributes }
    }

    fn long_name(&self, name: &str, now: i64) -> String {
        let attributes = &self.attributes;
        let mode = mode_text(attributes.permissions.unwrap_or_default());
        let (uid, gid) = (attributes.uid.unwrap_or_default(), attributes.gid.unwrap_or_default());
        let size = attributes.size.unwrap_or_default();
        let time = time_text(i64::from(attributes.mtime.unwrap_or_default()), now);
        format!("{mode} {:>4} {uid:<8} {gid:<8} {size:>8} {time} {name}", self.links)
    }
}

/// The protocol has 32 bits for a time.
fn seconds(time: impl TryInto<i64>) -> u32 {
    let time = time.try_into().unwrap_or(i64::MAX);
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

/// Type and permissions as `ls` shows them: `drwxr-xr-x`.
fn mode_text(mode: u32) -> String {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        _ => '-',
    };
    let letter =
        |bit: u32| if mode & bit == 0 { '-' } else { ['x', 'w', 'r'][bit.ilog2() as usize % 3] };
    // A special bit is shown in the position of an executable bit, by one letter without that and another
    // with it.
    let special = |bit: u32, instead: u32, letters: [char; 2]| match (mode & bit, mode & instead) {
        (0, _) => letter(instead),
        (_, 0) => letters[0],
        _ => letters[1],
    };
    let setuid = special(0o4000, 0o100, ['S', 's']);
    let setgid = special(0o2000, 0o010, ['S', 's']);
    let sticky = special(0o1000, 0o001, ['T', 't']);
    let rw = |read: u32, write: u32| [letter(read), letter(write)];
    let ([ur, uw], [gr, gw], [or, ow]) = (rw(0o400, 0o200), rw(0o040, 0o020), rw(0o004, 0o002));
    [kind, ur, uw, setuid, gr, gw, setgid, or, ow, sticky].into_iter().collect()
}

/// In UTC, because the time zone of the client is not known.
fn time_text(time: i64, now: i64) -> String {
    let format =
        if (now - RECENT..=now + 3600).contains(&time) { "%b %e %H:%M" } else { "%b %e  %Y" };
    Timestamp::from_second(time)
        .map_or_else(|_| "?".to_owned(), |at| at.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (mode, expected) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o041_777, "drwxrwxrwt"),
            (0o104_711, "-rws--x--x"),
            (0o102_640, "-rw-r-S---"),
            (0o010_000, "p---------"),
            (0o140_421, "sr---w---x"),
        ] {
            assert_eq!(mode_text(mode), expected, "{mode:o}");
        }
    }

    #[test]
    fn line_of_a_listing() {
        let mut stat = FileStat::virtual_folder();
        stat.attributes.mtime = Some(86_400);
        let line = stat.long_name("a b", 90_000);
        assert_eq!(line, "dr-xr-xr-x    1 0        0               0 Jan  2 00:00 a b");
        let line = stat.long_name("a b", 86_400 + RECENT + 1);
        assert_eq!(line, "dr-xr-xr-x    1 0        0               0 Jan  2  1970 a b");
    }

    #[test]
    fn times_beyond_the_protocol() {
        for (time, expected) in
            [(-1, 0), (0, 0), (1_700_000_000, 1_700_000_000), (i64::MAX, u32::MAX)]
        {
            assert_eq!(seconds(time), expected);
        }
    }
}
