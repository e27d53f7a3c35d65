//! The files that are copied and uploaded.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The number of files in each folder.
const PER_FOLDER: u32 = 100;

/// The size of a write, in bytes.
const BLOCK: u64 = 1024 * 1024;

/// Files of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material {
    pub(crate) count: u32,
    /// The size of each, in bytes.
    pub(crate) bytes: u64,
}

impl Material {
    /// For instance `20 files of 100 MB`.
    pub(crate) fn title(self) -> String {
        let files = if self.count == 1 { "file" } else { "files" };
        let size = match self.bytes {
            1_000_000.. => format!("{} MB", self.bytes / 1_000_000),
            _ => format!("{} KB", self.bytes / 1_000),
        };
        format!("{} {files} of {size}", self.count)
    }

    /// Writes the files into a new folder.
    pub(crate) fn write(self, folder: &Path) -> Result<Folder> {
        let made = Folder(folder.to_owned());
        eprintln!("\n==> writing {} to {}", self.title(), folder.display());
        let written = (0..self.count).try_for_each(|number| {
            let folder = folder.join((number / PER_FOLDER).to_string());
            fs::create_dir_all(&folder)?;
            write(&folder.join(format!("{number}.bin")), number, self.bytes)
        });
        written.with_context(|| format!("failed to write to `{}`", folder.display()))?;
        Ok(made)
    }
}

/// A folder that is removed when it is not needed any more.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty one, in the place of one that is there.
    pub(crate) fn empty(path: PathBuf) -> Result<Self> {
        let folder = Self(path);
        folder.clear()?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes what is in it.
    pub(crate) fn clear(&self) -> Result<()> {
        let removed = match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&self.0),
        };
        removed.with_context(|| format!("failed to clear `{}`", self.0.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies below `target/`, or in memory where it was asked for.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Files of noise, of which no two have the same content.
fn write(path: &Path, number: u32, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15 ^ u64::from(number));
    let size = usize::try_from(bytes.min(BLOCK)).unwrap_or(usize::MAX);
    let mut block: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| noise.next()).collect();
    let mut left = bytes;
    while left > 0 {
        // Blocks differ at their beginning.
        block.splice(..8, noise.next());
        let count = left.min(bytes.min(BLOCK));
        file.write_all(&block[..usize::try_from(count).unwrap_or(usize::MAX)])?;
        left -= count;
    }
    Ok(())
}

/// Numbers that do not compress: xorshift64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> [u8; 8] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        for (count, bytes, expected) in [
            (20, 100_000_000, "20 files of 100 MB"),
            (1, 2_000_000_000, "1 file of 2000 MB"),
            (10_000, 1_000, "10000 files of 1 KB"),
        ] {
            assert_eq!(Material { count, bytes }.title(), expected);
        }
    }

    #[test]
    fn files_have_their_size_and_differ() {
        let path = crate::bench::contest::scratch("material-test").unwrap();
        let folder = Material { count: 2, bytes: 1_500_001 }.write(&path).unwrap();
        let read = |name| fs::read(folder.path().join("0").join(name)).unwrap();
        let (first, second) = (read("0.bin"), read("1.bin"));
        assert_eq!((first.len(), second.len()), (1_500_001, 1_500_001));
        assert!(first != second, "the same content");
        drop(folder);
        assert!(!path.exists());
    }
}
