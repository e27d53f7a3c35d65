//! The file system of logs. A trait, so that tests can use a disk that is full at a chosen point.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

/// A folder for logs.
pub trait Disk {
    type File: DiskFile;

    /// Creates a file. Fails if it exists: such a file is not part of the log.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A file of a log.
pub trait DiskFile {
    /// Writes some of the bytes at an offset, and returns how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Truncates the file to this length, even if it was renamed.
    fn cut(&self, length: u64) -> io::Result<()>;

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Disk for Dir {
    type File = File;

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).follow(FollowSymlinks::No);
        Ok(self.open_with(name, &options)?.into_std())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.remove_file(name)
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}
