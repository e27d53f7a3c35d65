//! Standard output and standard error of the job: kept in `logs/`, and shown live.
//!
//! The job writes to the file descriptors of its process, so these are exchanged for pipes while it
//! runs. What the supervisor itself has to say goes to the descriptors that were there before.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long the end of the capture waits for output that is on its way. Processes that the job left
/// behind may hold the pipe open for ever.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// How much is read at a time, in bytes.
const CHUNK: usize = 16 * 1024;

/// One of the two streams.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn log_name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout.log",
            Self::Stderr => "stderr.log",
        }
    }

    /// Another descriptor of what the stream goes to now.
    pub(super) fn duplicate(self) -> io::Result<File> {
        let copy = match self {
            Self::Stdout => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3),
            Self::Stderr => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3),
        };
        Ok(File::from(copy?))
    }

    fn redirect_to(self, target: &OwnedFd) -> io::Result<()> {
        // What is still in Rust's buffer belongs to where it was written.
        let _ = io::stdout().flush();
        match self {
            Self::Stdout => rustix::stdio::dup2_stdout(target)?,
            Self::Stderr => rustix::stdio::dup2_stderr(target)?,
        }
        Ok(())
    }
}

/// A stream that is being captured. [`Capture::stop`] gives it back.
pub(super) struct Capture {
    stream: Stream,
    original: OwnedFd,
    drained: Receiver<()>,
}

impl Capture {
    /// Sends a stream to its log below `logs` and to `show`, which is given nothing at the end.
    pub(super) fn start(
        stream: Stream,
        logs: &Path,
        show: impl FnMut(&[u8]) + Send + 'static,
    ) -> io::Result<Self> {
        let log = File::create_new(logs.join(stream.log_name()))?;
        let original = OwnedFd::from(stream.duplicate()?);
        let (reader, writer) = io::pipe()?;
        let (done, drained) = mpsc::channel();
        thread::Builder::new().name(format!("capture {}", stream.log_name())).spawn(move || {
            copy(reader, log, show);
            // The other side may have given up waiting.
            let _ = done.send(());
        })?;
        stream.redirect_to(&OwnedFd::from(writer))?;
        Ok(Self { stream, original, drained })
    }

    /// Gives the stream back and waits until all that was written has been kept and shown.
    pub(super) fn stop(self) -> io::Result<()> {
        self.stream.redirect_to(&self.original)?;
        let _ = self.drained.recv_timeout(DRAIN_TIME);
        Ok(())
    }
}

/// A log that cannot be written any more (a full disk) must not stop the job: what the job writes is
/// still read and shown.
fn copy(mut from: impl Read, mut log: File, mut show: impl FnMut(&[u8])) {
    let mut chunk = [0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                let _ = log.write_all(&chunk[..count]);
                show(&chunk[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    show(&[]);
}
