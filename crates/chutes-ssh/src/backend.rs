//! Backends of sessions: how a session is started and ended, and what it may connect to.

mod child;
#[cfg(feature = "container")]
mod container;
mod process;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use chutes_core::PortAddress;
use chutes_ports::Connector;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

#[cfg(feature = "container")]
pub use self::container::{ContainerBackend, ContainerBackendSetup};
pub use self::process::{ProcessBackend, ProcessBackendSetup};

/// How long a connection to a port may take to be established.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The largest number of requests that may wait for a session. A terminal that is resized with a mouse
/// sends many.
pub(super) const CONTROL_QUEUE: usize = 16;

/// The future that a method of a backend returns.
pub type BackendFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Starts and ends the sessions of a run.
pub trait SessionBackend: Send + Sync {
    /// Starts the command of a session.
    fn start(&self, request: SessionRequest) -> BackendFuture<'_, io::Result<StartedSession>>;

    /// A connector to the network of the job, and the ports of the run.
    fn network(&self) -> (&Connector, &[PortAddress]);

    /// Ends all processes of sessions. Returns warnings.
    fn stop(&self) -> BackendFuture<'_, Vec<String>>;
}

/// Connects to the loopback interface of the job, or to a port of the run at its published address, and to
/// nothing else.
pub(super) async fn connect(
    backend: &dyn SessionBackend,
    host: &str,
    port: u16,
) -> io::Result<TcpStream> {
    let (connector, ports) = backend.network();
    let connected = async {
        match target(host, port, ports) {
            Some(Target::Local) => connector.connect_local(port).await,
            Some(Target::Port(port)) => connector.connect(port).await,
            None => Err(io::ErrorKind::PermissionDenied.into()),
        }
    };
    timeout(CONNECT_TIME, connected).await?
}

/// A destination to which a client may connect.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Local,
    Port(&'a PortAddress),
}

fn target<'a>(host: &str, port: u16, ports: &'a [PortAddress]) -> Option<Target<'a>> {
    if port == 0 {
        return None;
    }
    let name = host.trim_end_matches('.');
    if name.eq_ignore_ascii_case("localhost") {
        return Some(Target::Local);
    }
    let address: IpAddr = name.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let address = address.to_canonical();
    // A port of the run may be published at another loopback address than the usual one.
    let is_published =
        |one: &&PortAddress| one.address.ip() == address && one.address.port() == port;
    let port = ports.iter().find(is_published).map(Target::Port);
    port.or_else(|| address.is_loopback().then_some(Target::Local))
}

/// What a session has to start.
#[derive(Debug)]
pub struct SessionRequest {
    /// The command to start.
    pub command: SessionCommand,
    /// `None` without a terminal.
    pub terminal: Option<Terminal>,
    /// The variables that the client has set and may set, and its address (`SSH_CONNECTION`, `SSH_CLIENT`).
    pub env: Vec<(String, String)>,
}

/// The command of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// A login shell.
    Shell,
    /// A command for a shell.
    Command(Vec<u8>),
    /// The SFTP server.
    Sftp,
}

/// The terminal of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its type: the value of `TERM`.
    pub term: String,
    /// Its width in characters.
    pub columns: u16,
    /// Its height in characters.
    pub rows: u16,
    /// Its width and height in pixels; 0 where they are not known.
    pub pixels: (u16, u16),
}

/// A session that runs.
pub struct StartedSession {
    /// The standard input of the session. Shutting it down closes that input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// The standard output of the session.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// The standard error; `None` when it is part of the standard output.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Requests for the session. Dropping this has the effect of [`Control::HangUp`].
    pub control: mpsc::Sender<Control>,
    /// How the session has ended, once it has ended.
    pub exit: oneshot::Receiver<SessionExit>,
}

impl fmt::Debug for StartedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// A request for a session that runs.
#[derive(Debug)]
pub enum Control {
    /// The terminal has another size. Input that was typed afterwards waits until `done` is dropped.
    Resize {
        /// Its new width in characters.
        columns: u16,
        /// Its new height in characters.
        rows: u16,
        /// Its new width and height in pixels.
        pixels: (u16, u16),
        /// Dropped when the session has the new size.
        done: oneshot::Sender<Infallible>,
    },
    /// A signal for the process, one of those that RFC 4254 names.
    Signal(Signal),
    /// The client is gone.
    HangUp,
}

/// How a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionExit {
    /// The process has exited with this code.
    Exited(u32),
    /// A signal has ended the process.
    Signalled {
        /// The name of the signal, without `SIG`.
        name: String,
        /// Whether the kernel has written a core file.
        core_dumped: bool,
    },
    /// The exit is not known, for this reason.
    Lost(String),
}

#[cfg(test)]
mod tests {
    use chutes_core::{Port, Protocol};

    use super::*;

    #[test]
    fn clients_may_connect_to_the_job_only() {
        let web = PortAddress {
            port: Port::new("web", 8080, Protocol::Http).unwrap(),
            address: ([192, 168, 1, 2], 18_080).into(),
        };
        let near = PortAddress {
            port: Port::new("near", 9000, Protocol::Tcp).unwrap(),
            address: ([127, 1, 2, 3], 19_000).into(),
        };
        let ports = [web.clone(), near.clone()];
        let check = |host: &str, port: u16, expected: Option<Target<'_>>| {
            assert_eq!(target(host, port, &ports), expected, "{host} {port}");
        };
        for host in
            ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]
        {
            check(host, 1234, Some(Target::Local));
            check(host, 0, None);
        }
        check("::ffff:127.0.0.1", 1234, Some(Target::Local));
        check("192.168.1.2", 18_080, Some(Target::Port(&web)));
        check("127.1.2.3", 19_000, Some(Target::Port(&near)));
        check("127.0.0.1", 19_000, Some(Target::Local));
        check("192.168.1.2", 8080, None);
        check("192.168.1.3", 18_080, None);
        for host in [
            "169.254.169.254",
            "example.com",
            "10.0.0.1",
            "",
            "0.0.0.0",
            "::",
            "localhost.example.com",
        ] {
            check(host, 80, None);
        }
    }
}
