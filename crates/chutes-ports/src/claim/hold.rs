//! Sockets that hold a number for this run, and reservations that keep it from other runs.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind as bind_socket, getsockname, listen,
    shutdown, socket_with,
};

use crate::sockets::Transport;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// Binds a socket so that no other process can bind the address. Returns the socket and its address.
pub(super) fn bind(
    address: SocketAddr,
    transport: Transport,
    listens: bool,
) -> Result<(OwnedFd, SocketAddr), Errno> {
    let socket = match transport {
        _ if listens => bind_and_listen(address)?,
        Transport::Udp => bind_exclusive(address, SocketType::DGRAM)?,
        Transport::Tcp => match bind_exclusive(address, SocketType::STREAM) {
            Err(Errno::ADDRINUSE) if address.port() != 0 => bind_despite_time_wait(address)?,
            bound => bound?,
        },
    };
    let bound = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, bound))
}

/// Makes a socket listen that was bound by [`bind`]. The address stays bound meanwhile.
pub(super) fn listen_on(socket: OwnedFd) -> Result<std::net::TcpListener, Errno> {
    set_socket_reuseaddr(&socket, true)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn new_socket(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

pub(super) fn bind_exclusive(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let socket = new_socket(address, kind)?;
    bind_socket(&socket, &address)?;
    Ok(socket)
}

fn bind_and_listen(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = new_socket(address, SocketType::STREAM)?;
    set_socket_reuseaddr(&socket, true)?;
    bind_socket(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Binds a number that closed connections of an earlier server still use for a minute (`TIME_WAIT`). That
/// takes `SO_REUSEADDR`, with which sockets may also share the number with each other. A listening socket
/// does not share it, and after `shutdown` and without the option it still does not.
fn bind_despite_time_wait(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = bind_and_listen(address)?;
    shutdown(&socket, Shutdown::Read)?;
    set_socket_reuseaddr(&socket, false)?;
    Ok(socket)
}

/// Keeps an address from other runs on this machine, without stopping any process from opening it: an
/// abstract socket name in the same network namespace, which ends with the process that holds it.
///
/// A job may open its ports long after it was started, and until then the kernel could give the number to
/// another socket.
#[derive(Debug)]
pub(super) struct Reservation {
    _name: UnixDatagram,
}

impl Reservation {
    pub(super) fn make(address: SocketAddr, transport: Transport) -> io::Result<Self> {
        let name = UnixAddr::from_abstract_name(format!("{}{address}", prefix(transport)))?;
        let reservation = Self { _name: UnixDatagram::bind_addr(&name)? };
        // The unspecified address includes each single one. The reservation is made before this search, so
        // of two runs that reserve at the same time at least one sees the other.
        if reserved(transport).into_iter().any(|other| overlap(address, other)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(reservation)
    }
}

fn prefix(transport: Transport) -> String {
    format!("chutes-port/{}/", transport.upper_case())
}

/// The addresses that are reserved in this network namespace, as far as the system reports them.
fn reserved(transport: Transport) -> Vec<SocketAddr> {
    let mark = format!(" @{}", prefix(transport));
    // Names need not be UTF-8.
    let table = std::fs::read("/proc/net/unix").unwrap_or_default();
    let table = String::from_utf8_lossy(&table);
    let names = table.lines().filter_map(|line| line.split_once(&mark));
    names.filter_map(|(_, address)| address.parse().ok()).collect()
}

/// Whether two different addresses cannot be open at the same time because one of them is unspecified. The
/// unspecified address of version 6 includes those of version 4.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let includes =
        |all: IpAddr, single: IpAddr| all.is_unspecified() && (all.is_ipv6() || single.is_ipv4());
    one.port() == other.port()
        && one.ip() != other.ip()
        && (includes(one.ip(), other.ip()) || includes(other.ip(), one.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_exclude_each_other() {
        let check = |one: &str, other: &str, expected| {
            let [one, other] = [one, other].map(|address| address.parse().unwrap());
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        };
        check("127.0.0.1:1", "0.0.0.0:1", true);
        check("127.0.0.1:1", "[::]:1", true);
        check("[::1]:1", "[::]:1", true);
        check("0.0.0.0:1", "[::]:1", true);
        check("[::1]:1", "0.0.0.0:1", false);
        check("127.0.0.1:1", "127.0.0.2:1", false);
        check("127.0.0.1:1", "0.0.0.0:2", false);
        // Equal names are refused by the system itself.
        check("0.0.0.0:1", "0.0.0.0:1", false);
    }

    #[test]
    fn all_addresses_include_each() {
        // This socket holds the number, so no other test reserves it.
        let (_socket, one) = bind("127.0.0.1:0".parse().unwrap(), Transport::Tcp, false).unwrap();
        let all = SocketAddr::new([0, 0, 0, 0].into(), one.port());
        let in_use = |made: io::Result<Reservation>| {
            made.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        };
        for (first, second) in [(one, all), (all, one), (one, one)] {
            let reservation = Reservation::make(first, Transport::Tcp).unwrap();
            assert!(in_use(Reservation::make(second, Transport::Tcp)), "{first} {second}");
            assert!(Reservation::make(second, Transport::Udp).is_ok());
            drop(reservation);
            assert!(Reservation::make(second, Transport::Tcp).is_ok(), "{first} {second}");
        }
    }
}
