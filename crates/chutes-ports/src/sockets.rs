//! What `/proc` says about sockets: which there are, and whose they are. All of it may be gone a moment
//! later.

#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chutes_core::Protocol;
use rustix::process::Pid;

use chutes_process::{Process, pids};

/// How much of one table is read, in bytes: more than 100,000 sockets.
const MOST_OF_A_TABLE: u64 = 16 * 1024 * 1024;

/// How many descriptors of one process are looked at.
const MOST_DESCRIPTORS: usize = 65_536;

/// How many processes are looked at for the one that has a port.
const MOST_PROCESSES: usize = 4_096;

/// The numbers that the kernel gives out, where it does not say.
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// The state of a TCP socket that accepts connections.
const LISTEN: u8 = 0x0a;

/// The state of a UDP socket that is connected to nobody.
const UNCONNECTED: u8 = 0x07;

/// Below IP, what HTTP speaks is TCP.
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

    /// As in the names of environment variables.
    pub(super) const fn in_capitals(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A socket that takes what anybody sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    /// By which it is found among the descriptors of a process.
    pub(super) inode: u64,
}

impl Socket {
    /// Reads a line of `/proc/net/tcp` and its like; `None` if it is none, or of a socket that takes nothing
    /// from strangers.
    fn parse(line: &str, transport: Transport) -> Option<Self> {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        let local = address(fields.get(1)?)?;
        let state = u8::from_str_radix(fields.get(3)?, 16).ok()?;
        let takes_from_all = match transport {
            Transport::Tcp => state == LISTEN,
            Transport::Udp => state == UNCONNECTED,
        };
        let inode = fields.get(9)?.parse().ok()?;
        (takes_from_all && local.port() != 0).then_some(Self { transport, local, inode })
    }

    /// Whether what is sent to this address comes to it.
    pub(super) fn serves(&self, address: SocketAddr) -> bool {
        let (own, other) = (self.local.ip(), address.ip());
        let is_for_all = own.is_unspecified() && (own.is_ipv6() || other.is_ipv4());
        self.local.port() == address.port() && (own == other || is_for_all)
    }
}

/// Reads `0100007F:1F90`: the address in words of the machine, and the number.
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
            for (index, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(index * 8)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The open sockets in a folder such as `/proc/net`.
pub(super) fn open_sockets(folder: &Path) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (name, transport) in [
        ("tcp", Transport::Tcp),
        ("tcp6", Transport::Tcp),
        ("udp", Transport::Udp),
        ("udp6", Transport::Udp),
    ] {
        match File::open(folder.join(name)) {
            Ok(file) => read_table(file, transport, &mut sockets)?,
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
    to: &mut Vec<Socket>,
) -> io::Result<()> {
    for line in BufReader::new(table.take(MOST_OF_A_TABLE)).split(b'\n') {
        // The headline is no socket, and neither is what was cut off.
        to.extend(str::from_utf8(&line?).ok().and_then(|line| Socket::parse(line, transport)));
    }
    Ok(())
}

/// The inodes of the sockets that a process has open; none if it is gone, or may not be looked at.
pub(super) fn inodes_of(pid: Pid) -> impl Iterator<Item = u64> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid()));
    let entries = entries.into_iter().flatten().flatten().take(MOST_DESCRIPTORS);
    entries.filter_map(|entry| inode(std::fs::read_link(entry.path()).ok()?.to_str()?))
}

/// Reads `socket:[12345]`.
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The program that has an address open, in words, if it is one that may be looked at.
pub(super) fn program_at(address: SocketAddr, transport: Transport) -> Option<String> {
    let sockets = open_sockets(Path::new("/proc/net")).ok()?;
    let in_the_way = |socket: &&Socket| {
        let (own, other) = (socket.local.ip(), address.ip());
        let touches = own == other || own.is_unspecified() || other.is_unspecified();
        socket.transport == transport && socket.local.port() == address.port() && touches
    };
    let inodes: Vec<u64> = sockets.iter().filter(in_the_way).map(|socket| socket.inode).collect();
    if inodes.is_empty() {
        return None;
    }
    let mut pids = pids().ok()?.into_iter().take(MOST_PROCESSES);
    let pid = pids.find(|pid| inodes_of(*pid).any(|inode| inodes.contains(&inode)))?;
    let process = Process::read(pid).ok()??;
    Some(format!("`{}` (process {})", process.name, pid.as_raw_pid()))
}

/// Whether this network name space, as `/proc` has it, is that of this thread.
pub(super) fn is_own_network(other: &Metadata) -> io::Result<bool> {
    let own = std::fs::metadata("/proc/thread-self/ns/net")?;
    Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
}

/// The numbers that the kernel gives to sockets that ask for none.
pub(super) fn ephemeral() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    text.ok().and_then(|text| range(&text)).unwrap_or(USUAL_EPHEMERAL)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}
