//! What a copy keeps of a collected file besides its content: its permissions, and when it was changed.

use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use chutes_transfer::TransferError;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::copying::examine;

/// The permissions of a copy that only its owner can use.
const PRIVATE: u32 = 0o600;
const PRIVATE_EXECUTABLE: u32 = 0o700;

/// What a zip file can express, in seconds since 1970: from 1980 to 2107.
const FIRST_ZIP_TIME: i64 = 315_532_800;
const LAST_ZIP_TIME: i64 = 4_354_819_198;

/// Who may do what with a file, and when it was changed.
pub(super) struct Attributes {
    mode: u32,
    /// In seconds since 1970, UTC.
    modified: i64,
}

impl From<&Metadata> for Attributes {
    fn from(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode(), modified: metadata.mtime() }
    }
}

impl Attributes {
    pub(super) fn of(file: &File) -> Result<Self, TransferError> {
        Ok(Self::from(&examine(file)?))
    }

    /// Makes a copy that only its owner can use executable, if this file is. File systems without permissions keep the
    /// content all the same.
    pub(super) fn give_to(&self, copy: &File) {
        let is_executable = self.mode & 0o111 != 0;
        let mode = if is_executable { PRIVATE_EXECUTABLE } else { PRIVATE };
        let has = copy.metadata().is_ok_and(|metadata| metadata.mode() & 0o7777 == mode);
        if !has {
            let _ = copy.set_permissions(Permissions::from_mode(mode));
        }
    }

    /// The permissions in an archive: without those that make a program run as another user, and its owner can read
    /// and replace it.
    pub(super) fn archive_mode(&self) -> u32 {
        self.mode & 0o777 | PRIVATE
    }

    /// The time in a zip file: UTC, because the format has no zone, and the nearest that it can express, 1980 to 2107.
    pub(super) fn zip_time(&self) -> zip::DateTime {
        let seconds = self.modified.clamp(FIRST_ZIP_TIME, LAST_ZIP_TIME);
        let time = Timestamp::from_second(seconds).unwrap_or_default();
        let time = Offset::UTC.to_datetime(time);
        let [month, day, hour, minute, second] =
            [time.month(), time.day(), time.hour(), time.minute(), time.second()]
                .map(i8::unsigned_abs);
        let year = time.year().unsigned_abs();
        zip::DateTime::from_date_and_time(year, month, day, hour, minute, second)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_a_zip_file() {
        for (modified, expected) in [
            (981_173_106, "2001-02-03 04:05:06"),
            (0, "1980-01-01 00:00:00"),
            (-1, "1980-01-01 00:00:00"),
            (i64::MIN, "1980-01-01 00:00:00"),
            (4_354_819_198, "2107-12-31 23:59:58"),
            (4_354_819_200, "2107-12-31 23:59:58"),
            (i64::MAX, "2107-12-31 23:59:58"),
        ] {
            let time = Attributes { mode: 0, modified }.zip_time();
            assert_eq!(time.to_string(), expected, "{modified}");
        }
    }

    #[test]
    fn permissions_in_an_archive() {
        for (mode, expected) in
            [(0o100_755, 0o755), (0o100_600, 0o600), (0o106_711, 0o711), (0o100_000, 0o600)]
        {
            assert_eq!(Attributes { mode, modified: 0 }.archive_mode(), expected, "{mode:o}");
        }
    }
}
