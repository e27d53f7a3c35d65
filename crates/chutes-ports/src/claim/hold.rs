//! Sockets that keep a number for us, and reservations that keep it from other runs.

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

/// Binds a socket so that nobody else can have the address, and tells which it is.
pub(super) fn bind(
    address: SocketAddr,
    transport: Transport,
    listens: bool,
) -> Result<(OwnedFd, SocketAddr), Errno> {
    let socket = match transport {
        _ if listens => bind_and_listen(address)?,
        Transport::Udp => bind_alone(address, SocketType::DGRAM)?,
        Transport::Tcp => match bind_alone(address, SocketType::STREAM) {
            Err(Errno::ADDRINUSE) if address.port() != 0 => bind_beside_the_past(address)?,
            bound => bound?,
        },
    };
    let bound = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, bound))
}

/// Lets a socket listen that was bound by [`bind`]. Nobody can have come between.
pub(super) fn listen_on(socket: OwnedFd) -> Result<std::net::TcpListener, Errno> {
    set_socket_reuseaddr(&socket, true)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn new_socket(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

pub(super) fn bind_alone(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
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

/// Binds a number that connections of a server that has ended still have for a minute. A socket that says
/// that it does not mind them may share the number with others that say the same; it stops to do so when it
/// listens, and does not start again when it stops to listen and does mind from then on.
fn bind_beside_the_past(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = bind_and_listen(address)?;
    shutdown(&socket, Shutdown::Read)?;
    set_socket_reuseaddr(&socket, false)?;
    Ok(socket)
}

/// Keeps an address from other runs on this machine, but not from anybody who opens it: a name in the same
/// network namespace, which ends with whoever has it.
///
/// A job may open its ports long after it was started, and until then the kernel would give the number away.
#[derive(Debug)]
pub(super) struct Reservation {
    _name: UnixDatagram,
}

impl Reservation {
    pub(super) fn make(address: SocketAddr, transport: Transport) -> io::Result<Self> {
        let name = UnixAddr::from_abstract_name(format!("{}{address}", prefix(transport)))?;
        let reservation = Self { _name: UnixDatagram::bind_addr(&name)? };
        // All addresses of the machine include each single one. It was reserved first and is looked for then,
        // so of two runs that do so at the same time at least one sees the other.
        if reserved(transport).into_iter().any(|other| overlap(address, other)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(reservation)
    }
}

fn prefix(transport: Transport) -> String {
    format!("chutes-port/{}/", transport.in_capitals())
}

/// What is reserved in this network namespace, as far as the system tells.
fn reserved(transport: Transport) -> Vec<SocketAddr> {
    let mark = format!(" @{}", prefix(transport));
    // Names need not be text.
    let table = std::fs::read("/proc/net/unix").unwrap_or_default();
    let table = String::from_utf8_lossy(&table);
    let names = table.lines().filter_map(|line| line.split_once(&mark));
    names.filter_map(|(_, address)| address.parse().ok()).collect()
}

/// Whether two different addresses cannot be open at the same time, since one of them stands for many. All
/// addresses of version 6 include those of version 4.
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
        // The system itself keeps equal names apart.
        check("0.0.0.0:1", "0.0.0.0:1", false);
    }

    #[test]
    fn all_addresses_include_each() {
        // The number belongs to this socket, so no other test reserves it.
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
