//! The file of `--result`.
//!
//! A plain file is replaced in one step. A device, a pipe or a descriptor stays what it is, and is written into.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, OFlags, access};
use rustix::io::Errno;

/// The most links that are followed one after the other, as in the kernel.
const MAX_LINKS: usize = 40;

/// How long a pipe may be without a reader, or its reader may not read.
const READER_TIME: Duration = Duration::from_secs(5);

/// How long to wait before a pipe is opened again.
const PAUSE: Duration = Duration::from_millis(20);

/// Where a result is written to. Nothing is made or changed before there is one.
#[derive(Debug)]
pub(crate) enum ResultTarget {
    /// A plain file, or none yet: it is replaced.
    Replaced(PathBuf),
    /// What is written into.
    Opened(File),
    /// A named pipe, which can be opened when it has a reader.
    Pipe(PathBuf),
}

impl ResultTarget {
    /// The target at this path. The run makes `run_dir`, so that folders below it need not be there yet.
    ///
    /// The error is that of a place which cannot be written.
    pub(crate) fn find(path: &Path, run_dir: &Path) -> io::Result<Self> {
        if folder_of(path)?.starts_with(std::path::absolute(run_dir)?) {
            return Ok(Self::Replaced(path.to_owned()));
        }
        let mut at = path.to_owned();
        for _ in 0..MAX_LINKS {
            match look_at(&at)? {
                ControlFlow::Break(target) => return Ok(target),
                ControlFlow::Continue(next) => at = next,
            }
        }
        Err(Errno::LOOP.into())
    }

    /// Writes the result.
    pub(crate) fn write(self, content: &[u8]) -> io::Result<()> {
        match self {
            Self::Replaced(path) => replace(&path, content),
            Self::Opened(file) => write_into(file, content),
            Self::Pipe(path) => write_into(open_pipe(&path)?, content),
        }
    }
}

/// The folder of a file, as an absolute path.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(absolute.parent().unwrap_or(&absolute).to_owned())
}

/// What is at this path: a target, or a link to another path.
fn look_at(path: &Path) -> io::Result<ControlFlow<ResultTarget, PathBuf>> {
    let folder = folder_of(path)?.canonicalize()?;
    let path = folder.join(path.file_name().ok_or(Errno::ISDIR)?);
    // The links there lead to what a process has open, whatever its name says.
    if folder.starts_with("/proc") {
        return open_descriptor(&path).map(ResultTarget::Opened).map(ControlFlow::Break);
    }
    let found = match std::fs::symlink_metadata(&path) {
        Ok(found) => Some(found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match found {
        Some(link) if link.is_symlink() => {
            Ok(ControlFlow::Continue(folder.join(std::fs::read_link(&path)?)))
        }
        Some(other) if !other.is_file() => special(path, other).map(ControlFlow::Break),
        _ => {
            access(&folder, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok(ControlFlow::Break(ResultTarget::Replaced(path)))
        }
    }
}

/// A target that is neither a plain file nor a link.
fn special(path: PathBuf, kind: FileType) -> io::Result<ResultTarget> {
    if kind.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if kind.is_fifo() {
        access(&path, Access::WRITE_OK)?;
        return Ok(ResultTarget::Pipe(path));
    }
    open(&path).map(ResultTarget::Opened)
}

/// Opens a path without waiting for a reader.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().append(true).custom_flags(flags).open(path)
}

/// Opens something in `/proc`. The standard streams of this process can be written also where their files cannot be
/// opened again, for instance by a user other than that of the file.
fn open_descriptor(path: &Path) -> io::Result<File> {
    let own = Path::new("/proc").join(std::process::id().to_string()).join("fd");
    let duplicate = |descriptor: io::Result<OwnedFd>| descriptor.map(File::from);
    if path == own.join("1") {
        return duplicate(io::stdout().as_fd().try_clone_to_owned());
    }
    if path == own.join("2") {
        return duplicate(io::stderr().as_fd().try_clone_to_owned());
    }
    open(path)
}

/// Opens a named pipe as soon as it has a reader.
fn open_pipe(path: &Path) -> io::Result<File> {
    let begin = Instant::now();
    loop {
        match open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if begin.elapsed() > READER_TIME {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the pipe has no reader"));
                }
                thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

/// Writes everything, as long as there is a reader that reads.
fn write_into(mut file: File, mut content: &[u8]) -> io::Result<()> {
    while !content.is_empty() {
        match file.write(content) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => content = &content[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(&file)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(file: &File) -> io::Result<()> {
    let time = Timespec::try_from(READER_TIME).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&time)) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "its reader does not read")),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Replaces a plain file in one step.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn find(path: &Path) -> io::Result<ResultTarget> {
        ResultTarget::find(path, Path::new("/nowhere/run"))
    }

    #[track_caller]
    fn check_replaced(path: &Path, expected: &Path) {
        match find(path).unwrap() {
            ResultTarget::Replaced(found) => assert_eq!(found, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_files_and_links_to_them_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let file = folder.join("result.json");
        check_replaced(&file, &file);
        std::fs::write(&file, "old").unwrap();
        check_replaced(&file, &file);
        let link = folder.join("latest");
        symlink("result.json", &link).unwrap();
        check_replaced(&link, &file);
        find(&link).unwrap().write(b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(link.is_symlink());
    }

    #[test]
    fn what_is_not_a_plain_file_is_written_into() {
        let is_opened = |path: &str| matches!(find(Path::new(path)), Ok(ResultTarget::Opened(_)));
        assert!(is_opened("/dev/null") && is_opened("/dev/stdout") && is_opened("/dev/fd/2"));
        find(Path::new("/dev/null")).unwrap().write(b"result").unwrap();
        let full = find(Path::new("/dev/full")).unwrap().write(b"result").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn places_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let circle = folder.path().join("circle");
        symlink("circle", &circle).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, expected) in [
            (folder.path().to_owned(), Errno::ISDIR),
            ("/".into(), Errno::ISDIR),
            (folder.path().join(".."), Errno::ISDIR),
            (folder.path().join("missing/result"), Errno::NOENT),
            (file.join("result"), Errno::NOTDIR),
            (circle, Errno::LOOP),
        ] {
            let error = find(&path).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(expected.raw_os_error()), "{path:?}: {error}");
        }
    }

    #[test]
    fn folders_below_the_run_need_not_be_there() {
        let path = Path::new("/nowhere/run/result.json");
        assert!(matches!(find(path), Ok(ResultTarget::Replaced(_))));
    }

    #[test]
    fn a_pipe_whose_reader_does_not_read() {
        let (reader, writer) = io::pipe().unwrap();
        rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        let error = write_into(File::from(OwnedFd::from(writer)), &vec![0; 100_000]).unwrap_err();
        assert_eq!(error.to_string(), "its reader does not read");
        drop(reader);
    }
}
