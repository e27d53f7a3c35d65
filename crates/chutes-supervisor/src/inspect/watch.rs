//! Waits until something happens in the directory of a run.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use crate::directory::RunDirectory;

/// Notices what happens in the directory of a run: output of its job, its outcome, the end of its supervisor.
#[derive(Debug)]
pub struct RunWatch(OwnedFd);

impl RunWatch {
    /// From here on nothing is missed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chutes::supervisor::inspect::RunWatch;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let watch = RunWatch::new(folder.path())?;
    /// std::fs::write(folder.path().join("outcome.json"), "{}")?;
    /// assert!(watch.wait(Duration::from_secs(60))?);
    /// assert!(!watch.wait(Duration::ZERO)?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(directory: &Path) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // A supervisor that ends closes the log.
        let of_run = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&watch, directory, of_run | WatchFlags::ONLYDIR)?;
        let logs = RunDirectory::at(directory.to_owned()).logs();
        let of_logs = WatchFlags::CREATE | WatchFlags::MODIFY;
        // A run that is only beginning has no logs yet; the time limits the wait.
        let _ = inotify::add_watch(
            &watch,
            logs,
            of_logs | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW,
        );
        Ok(Self(watch))
    }

    /// Waits until something has happened since the last call, for at most this time. Returns whether it has. On
    /// network file systems what happens on other machines is not noticed.
    pub fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(at_most).map_err(io::Error::other)?;
        let mut events = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut events, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            done => drop(done?),
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.0, &mut buffer);
        loop {
            match reader.next() {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
