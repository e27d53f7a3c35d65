//! Reading from `/proc` which sockets there are, and which process has each of them. Both may change at any
//! moment.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chutes_core::Protocol;
use rustix::process::Pid;

use chutes_process::{Process, pids};

/// The largest part of one table that is read, in bytes: more than 100,000 sockets.
const MAX_TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// The largest number of descriptors of one process that are read.
const MAX_DESCRIPTORS: usize = 65_536;

/// The largest number of processes that are searched for the one that has a port.
const MAX_PROCESSES: usize = 4_096;

/// The usual range of ephemeral ports, where the kernel does not report it.
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// The state of a TCP socket that accepts connections.
const LISTEN: u8 = 0x0a;

/// The state of a UDP socket that is not connected to a peer.
const UNCONNECTED: u8 = 0x07;

/// The transport protocol of a port; that of HTTP is TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub(super) const fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http | Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }

    /// The name in upper case, as in names of environment variables.
    pub(super) const fn upper_case(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A socket with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    /// Whether it accepts data from any peer. If not, it is connected to one, or was.
    pub(super) is_open: bool,
    /// The inode by which it is found among the descriptors of a process.
    pub(super) inode: u64,
}

impl Socket {
    /// Reads a line of `/proc/net/tcp` or a similar table; `None` if the line has no socket, or one without a number.
    fn parse(line: &str, transport: Transport) -> Option<Self> {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        let local = address(fields.get(1)?)?;
        let state = u8::from_str_radix(fields.get(3)?, 16).ok()?;
        let is_open = match transport {
            Transport::Tcp => state == LISTEN,
            Transport::Udp => state == UNCONNECTED,
        };
        let inode = fields.get(9)?.parse().ok()?;
        (local.port() != 0).then_some(Self { transport, local, is_open, inode })
    }

    /// Whether the socket, if it is open, receives what is sent to this address.
    pub(super) fn serves(&self, address: SocketAddr) -> bool {
        let (own, other) = (self.local.ip(), address.ip());
        let is_for_all = own.is_unspecified() && (own.is_ipv6() || other.is_ipv4());
        self.local.port() == address.port() && (own == other || is_for_all)
    }

    /// Whether the socket keeps others from opening this address, or comes from one that is open there.
    pub(super) fn occupies(&self, address: SocketAddr) -> bool {
        let (own, other) = (self.local.ip(), address.ip());
        let overlaps = own == other || own.is_unspecified() || other.is_unspecified();
        self.local.port() == address.port() && overlaps
    }
}

/// Reads `0100007F:1F90`: the address in 32-bit words of native byte order, and the number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    if !ip.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let word = |at: usize| {
        let digits = ip.get(at..at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, slot) in bytes.chunks_exact_mut(4).enumerate() {
                slot.copy_from_slice(&word(index * 8)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The sockets in a folder such as `/proc/net` that are wanted.
pub(super) fn sockets(
    folder: &Path,
    is_wanted: &dyn Fn(&Socket) -> bool,
) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (name, transport) in [
        ("tcp", Transport::Tcp),
        ("tcp6", Transport::Tcp),
        ("udp", Transport::Udp),
        ("udp6", Transport::Udp),
    ] {
        match File::open(folder.join(name)) {
            Ok(file) => read_table(file, transport, is_wanted, &mut sockets)?,
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

pub(crate) fn read_table(
    table: impl Read,
    transport: Transport,
    is_wanted: &dyn Fn(&Socket) -> bool,
    to: &mut Vec<Socket>,
) -> io::Result<()> {
    for line in BufReader::new(table.take(MAX_TABLE_BYTES)).split(b'\n') {
        // The header line is no socket, and neither is a line that was cut off.
        let socket = str::from_utf8(&line?).ok().and_then(|line| Socket::parse(line, transport));
        to.extend(socket.filter(is_wanted));
    }
    Ok(())
}

/// The inodes of the sockets that a process has open; none if it is gone, or may not be inspected.
pub(super) fn socket_inodes(pid: Pid) -> impl Iterator<Item = u64> {
    descriptors(pid).map(|(_, inode)| inode)
}

/// The descriptors of a process that are sockets: their paths and inodes.
fn descriptors(pid: Pid) -> impl Iterator<Item = (PathBuf, u64)> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid()));
    let entries = entries.into_iter().flatten().flatten().take(MAX_DESCRIPTORS);
    entries.filter_map(|entry| {
        let path = entry.path();
        let inode = inode(std::fs::read_link(&path).ok()?.to_str()?)?;
        Some((path, inode))
    })
}

/// Whether a process has a socket that may have a number. `without` has sockets that were found to have none, and the
/// others of that kind are added.
pub(super) fn may_have_numbers(pid: Pid, without: &mut HashSet<u64>) -> bool {
    descriptors(pid).any(|(path, inode)| {
        let has_none = without.contains(&inode) || is_local(&path);
        if has_none {
            without.insert(inode);
        }
        !has_none
    })
}

/// Whether a descriptor is a socket between processes of this machine, as far as the kernel says.
fn is_local(descriptor: &Path) -> bool {
    let mut protocol = [0; 16];
    let length = rustix::fs::getxattr(descriptor, "system.sockprotoname", &mut protocol);
    length.is_ok_and(|length| protocol[..length].starts_with(b"UNIX"))
}

/// Reads `socket:[12345]`.
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A description of the program that has an address open, if this process may inspect it.
pub(super) fn program_at(address: SocketAddr, transport: Transport) -> Option<String> {
    let conflicts = |socket: &Socket| {
        socket.transport == transport && socket.is_open && socket.occupies(address)
    };
    let sockets = sockets(Path::new("/proc/net"), &conflicts).ok()?;
    let inodes: Vec<u64> = sockets.iter().map(|socket| socket.inode).collect();
    if inodes.is_empty() {
        return None;
    }
    let mut pids = pids().ok()?.into_iter().take(MAX_PROCESSES);
    let pid = pids.find(|pid| socket_inodes(*pid).any(|inode| inodes.contains(&inode)))?;
    let process = Process::read(pid).ok()??;
    Some(format!("`{}` (process {})", process.name, pid.as_raw_pid()))
}

/// Whether a network namespace, given by its file in `/proc`, is that of this thread.
pub(super) fn is_own_network(other: &Metadata) -> io::Result<bool> {
    let own = std::fs::metadata("/proc/thread-self/ns/net")?;
    Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
}

/// The numbers that the kernel gives to sockets that are bound without one.
pub(super) fn ephemeral() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    text.ok().and_then(|text| range(&text)).unwrap_or(USUAL_EPHEMERAL)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}
