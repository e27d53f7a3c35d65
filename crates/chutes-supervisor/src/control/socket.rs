//! The address of a control socket. The name of a socket may have 107 bytes, which a directory may exceed; through a
//! descriptor of the directory it is always short.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The name of the socket in the directory of a run.
pub(crate) const NAME: &str = "control.sock";

/// Only its owner may connect.
const PRIVATE: u32 = 0o700;

/// The directory of a run, for as long as a short path of it is used.
struct ShortPath {
    directory: File,
}

impl ShortPath {
    fn of(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, flags, Mode::empty())?;
        Ok(Self { directory: File::from(directory) })
    }

    fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{NAME}", self.directory.as_raw_fd()))
    }
}

/// Listens in a directory. A socket that a dead supervisor has left there is replaced.
pub(super) fn listen(directory: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;

    let short = ShortPath::of(directory)?;
    let path = short.socket();
    let listener = match UnixListener::bind(&path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            std::fs::remove_file(&path)?;
            UnixListener::bind(&path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(PRIVATE))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the supervisor of the run in this directory.
pub(super) fn connect(directory: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::of(directory)?;
    UnixStream::connect(short.socket())
}

/// Whether a supervisor serves the run in this directory.
pub(crate) fn is_served(directory: &Path) -> bool {
    connect(directory).is_ok()
}

/// Whether the other end is a process of the same user, or of root.
pub(super) fn is_own_user(stream: &impl std::os::fd::AsFd) -> bool {
    rustix::net::sockopt::socket_peercred(stream)
        .is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}
