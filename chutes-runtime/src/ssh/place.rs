//! Where sessions land, and what they may connect to.

#[cfg(feature = "container")]
mod container;
mod process;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use chutes_core::PortAddress;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

#[cfg(feature = "container")]
pub(crate) use self::container::{ContainerPlace, ContainerPlaceSetup};
pub(crate) use self::process::{ProcessPlace, ProcessPlaceSetup};
use crate::port::Reach;

/// How long a connection to a port may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long the processes of sessions have to end when the run does.
const GRACE: Duration = Duration::from_secs(5);

/// How many requests may wait for a session. A terminal that is resized by a mouse makes many.
pub(super) const CONTROL_QUEUE: usize = 16;

/// Where the sessions of a run land.
pub(crate) enum Place {
    /// Beside the worker process, on this machine.
    Process(ProcessPlace),
    /// Inside of the container of the run.
    #[cfg(feature = "container")]
    Container(ContainerPlace),
}

impl Place {
    /// Starts what a session wants.
    pub(crate) async fn start(&self, wanted: Wanted) -> io::Result<Started> {
        match self {
            Self::Process(place) => place.start(wanted).await,
            #[cfg(feature = "container")]
            Self::Container(place) => place.start(wanted).await,
        }
    }

    /// Connects to the loopback interface as the job sees it, or to a port of the run where it is published,
    /// and to nothing else.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let (reach, ports) = self.network();
        let connected = async {
            match target(host, port, ports) {
                Some(Target::Local) => reach.connect_local(port).await,
                Some(Target::Port(port)) => reach.connect(port).await,
                None => Err(io::ErrorKind::PermissionDenied.into()),
            }
        };
        timeout(CONNECT_TIME, connected).await?
    }

    fn network(&self) -> (&Reach, &[PortAddress]) {
        match self {
            Self::Process(place) => place.network(),
            #[cfg(feature = "container")]
            Self::Container(place) => place.network(),
        }
    }

    /// Ends everything that sessions have started. Returns what is wrong with that.
    pub(crate) async fn stop(&self) -> Vec<String> {
        match self {
            Self::Process(place) => place.stop(GRACE).await,
            #[cfg(feature = "container")]
            Self::Container(place) => place.stop().await,
        }
    }
}

/// What a client may connect to.
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
    // A port of the run may be at another loopback address than the usual one.
    let is_there = |one: &&PortAddress| one.address.ip() == address && one.address.port() == port;
    let port = ports.iter().find(is_there).map(Target::Port);
    port.or_else(|| address.is_loopback().then_some(Target::Local))
}

/// What a session wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) what: What,
    /// `None` without a terminal.
    pub(crate) terminal: Option<Terminal>,
    /// What the client has sent and may send, and where it comes from (`SSH_CONNECTION`, `SSH_CLIENT`).
    pub(crate) env: Vec<(String, String)>,
}

/// What is to be started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A login shell.
    Shell,
    /// A command for a shell.
    Command(Vec<u8>),
    /// The SFTP server.
    Sftp,
}

/// The terminal of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// What it understands: the value of `TERM`.
    pub(crate) term: String,
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) pixels: (u16, u16),
}

/// A session that runs.
pub(crate) struct Started {
    /// Shutting it down passes the end of the input on.
    pub(crate) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// `None` when it is part of the standard output.
    pub(crate) stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Dropping it is [`Control::HangUp`].
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) end: oneshot::Receiver<SessionEnd>,
}

/// What a client wants of a session that runs.
#[derive(Debug)]
pub(crate) enum Control {
    /// Its terminal has another size. What was typed afterwards waits until `done` is dropped.
    Resize { columns: u16, rows: u16, pixels: (u16, u16), done: oneshot::Sender<Infallible> },
    /// A signal for the process.
    Signal(SessionSignal),
    /// The client is gone.
    HangUp,
}

/// The signals that SSH has names for, and `USR2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionSignal {
    Abrt,
    Alrm,
    Fpe,
    Hup,
    Ill,
    Int,
    Kill,
    Pipe,
    Quit,
    Segv,
    Term,
    Usr1,
    Usr2,
}

impl SessionSignal {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Abrt, "ABRT"),
        (Self::Alrm, "ALRM"),
        (Self::Fpe, "FPE"),
        (Self::Hup, "HUP"),
        (Self::Ill, "ILL"),
        (Self::Int, "INT"),
        (Self::Kill, "KILL"),
        (Self::Pipe, "PIPE"),
        (Self::Quit, "QUIT"),
        (Self::Segv, "SEGV"),
        (Self::Term, "TERM"),
        (Self::Usr1, "USR1"),
        (Self::Usr2, "USR2"),
    ];

    /// The signal as the kernel knows it.
    pub(crate) const fn number(self) -> Signal {
        match self {
            Self::Abrt => Signal::ABORT,
            Self::Alrm => Signal::ALARM,
            Self::Fpe => Signal::FPE,
            Self::Hup => Signal::HUP,
            Self::Ill => Signal::ILL,
            Self::Int => Signal::INT,
            Self::Kill => Signal::KILL,
            Self::Pipe => Signal::PIPE,
            Self::Quit => Signal::QUIT,
            Self::Segv => Signal::SEGV,
            Self::Term => Signal::TERM,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
        }
    }

    /// Its name, without `SIG`.
    #[cfg(test)]
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(signal, _)| *signal == self).map_or("TERM", |(_, name)| name)
    }

    /// The signal of this name, without `SIG`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(signal, _)| *signal)
    }
}

/// How a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// Its process has returned this.
    Exited(u32),
    /// A signal has ended its process.
    Signalled {
        /// The name of the signal, without `SIG`.
        name: String,
        core_dumped: bool,
    },
    /// It cannot be known.
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

    #[test]
    fn signals_have_one_name_each() {
        for (signal, name) in SessionSignal::ALL {
            assert_eq!((signal.name(), SessionSignal::from_name(name)), (name, Some(signal)));
        }
        for unknown in ["", "SIGINT", "int", "STOP", "INFO@openssh.com"] {
            assert_eq!(SessionSignal::from_name(unknown), None, "{unknown}");
        }
    }
}
