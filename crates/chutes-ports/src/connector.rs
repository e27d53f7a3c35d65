//! Connections of the supervisor to the ports of the job.

mod container;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use chutes_core::{PortAddress, Protocol};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use self::container::ContainerConnector;

/// How long a connection may take to be established. All of them stay on one machine.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Connections of the supervisor to the ports of the job.
#[derive(Clone, Debug)]
pub enum Connector {
    /// The job runs on this machine, like the supervisor.
    Here,
    /// The job runs in a container, which may have a network of its own.
    Container(ContainerConnector),
}

impl Connector {
    /// A connection to a TCP port of the job.
    pub async fn connect(&self, port: &PortAddress) -> io::Result<TcpStream> {
        if port.port.protocol() == Protocol::Udp {
            let message =
                format!("port `{}` is of UDP, which knows no connections", port.port.name());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        match self {
            Self::Here => connect(loopback_if_unspecified(port.address)).await,
            Self::Container(container) => container.connect(port).await,
        }
    }

    /// A connection to a TCP port of the job by the way that clients take.
    pub(crate) async fn connect_like_clients(&self, port: &PortAddress) -> io::Result<TcpStream> {
        match self {
            Self::Container(container) if container.is_published() => {
                connect(loopback_if_unspecified(port.address)).await
            }
            _ => self.connect(port).await,
        }
    }

    /// A connection to any port of the loopback interface, as the job sees it.
    pub async fn connect_local(&self, number: u16) -> io::Result<TcpStream> {
        match self {
            Self::Here => {
                let [first, second] = loopback(number);
                match connect(first).await {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        connect(second).await.map_err(|_| error)
                    }
                    connected => connected,
                }
            }
            Self::Container(container) => container.connect_local(number).await,
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    match timeout(CONNECT_TIME, TcpStream::connect(address)).await {
        Ok(connected) => connected,
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")))
        }
    }
}

/// A server that listens on all addresses is reached by the loopback interface.
fn loopback_if_unspecified(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The addresses of the loopback interface, the more usual one first.
fn loopback(number: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, number).into(), (Ipv6Addr::LOCALHOST, number).into()]
}
