//! The state of the ports and sockets of the job, as the scans so far have found it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chutes_core::PortAddress;
use rustix::process::Pid;

use super::SocketOwner;
use crate::sockets::{
    Socket, Transport, ephemeral, is_own_network, may_have_numbers, socket_inodes, sockets,
};

/// The largest number of warnings about undeclared ports. A job that opens more does so by mistake or on
/// purpose.
const MAX_WARNINGS: usize = 16;

/// How many scans search for the process of a socket before the socket is taken for one of another program.
/// A process may be so new that it is not yet listed among those of the job.
const MAX_SCANS: u8 = 10;

/// A change that a scan has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortEvent {
    /// The port with this index is ready.
    Ready(usize),
    Warning(String),
}

/// The state of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was not seen open.
    Closed,
    /// It is open, and has to be probed.
    Open,
    /// It is being probed.
    Probing,
    /// It is ready, or cannot be reached at all, and this was reported.
    Settled,
}

/// What is to be known about a run to judge its sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) ports: &'a [PortAddress],
    /// The TCP ports that there is no warning about.
    pub(super) undisclosed: &'a [u16],
    /// Whether ports may be open at every address of this machine.
    pub(super) everywhere: bool,
}

pub(super) struct SocketTracker<'a> {
    ports: &'a [PortAddress],
    states: Vec<State>,
    /// Whether there was any sign of each port since user code began, wherever and by whichever process it was opened.
    noticed: Vec<bool>,
    looks: Looks,
    /// The sockets of the job.
    own: HashSet<u64>,
    /// The sockets of other programs, and in how many scans their process was searched for.
    foreign: HashMap<u64, u8>,
    /// Sockets of the job that cannot have a number.
    without_number: HashSet<u64>,
    warned: HashSet<(Transport, u16)>,
    /// The ports that the job has open at every address although that was not asked for, and that there was a warning
    /// about.
    exposed: HashSet<usize>,
    ephemeral: RangeInclusive<u16>,
    undisclosed: &'a [u16],
    everywhere: bool,
}

/// Whether the sockets could be read since user code began.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    has_begun: bool,
    succeeded: bool,
    failed: bool,
}

impl<'a> SocketTracker<'a> {
    pub(super) fn new(Expected { ports, undisclosed, everywhere }: Expected<'a>) -> Self {
        Self {
            ports,
            states: vec![State::Closed; ports.len()],
            noticed: vec![false; ports.len()],
            looks: Looks::default(),
            own: HashSet::new(),
            foreign: HashMap::new(),
            without_number: HashSet::new(),
            warned: HashSet::new(),
            exposed: HashSet::new(),
            ephemeral: ephemeral(),
            undisclosed,
            everywhere,
        }
    }

    /// User code begins: what is read from now on cannot be sockets that hold its ports for it.
    pub(super) fn user_code_begins(&mut self) {
        self.looks.has_begun = true;
    }

    /// Scans the sockets once. Those that cannot be read now are read later: a container may not have started yet.
    pub(super) fn look(&mut self, owner: &SocketOwner) -> Vec<PortEvent> {
        self.scan(owner).unwrap_or_else(|error| {
            // A container that has just ended has no tables.
            self.looks.failed |= self.looks.has_begun && error.kind() != io::ErrorKind::NotFound;
            Vec::new()
        })
    }

    /// The ports that there was no sign of since user code began, by their indices. None if that is not certain.
    pub(super) fn never_noticed(&self) -> Vec<usize> {
        if !self.looks.succeeded || self.looks.failed {
            return Vec::new();
        }
        let all = self.noticed.iter().enumerate();
        all.filter(|(_, noticed)| !**noticed).map(|(index, _)| index).collect()
    }

    /// Scans the sockets once.
    pub(super) fn scan(&mut self, owner: &SocketOwner) -> io::Result<Vec<PortEvent>> {
        let (open, in_container) = match owner {
            // The tables of a machine with much memory take milliseconds to read.
            SocketOwner::Processes(pids)
                if self.ports.is_empty() && !self.may_have_numbers(pids)? =>
            {
                (Vec::new(), false)
            }
            SocketOwner::Processes(pids) => {
                let open = self.read(Path::new("/proc/self/net"), false)?;
                (self.owned(open, pids)?, false)
            }
            SocketOwner::Namespace(pid) => match *pid.borrow() {
                Some(pid) => (self.read(&network_tables(pid)?, true)?, true),
                None => return Ok(Vec::new()),
            },
        };
        self.looks.succeeded |= self.looks.has_begun;
        let mut events = Vec::new();
        for socket in open {
            self.record(&socket, in_container, &mut events);
        }
        Ok(events)
    }

    /// Whether a process of the job has a socket that may be open for others.
    fn may_have_numbers(
        &mut self,
        pids: impl FnOnce() -> io::Result<Vec<Pid>>,
    ) -> io::Result<bool> {
        Ok(pids()?.into_iter().any(|pid| may_have_numbers(pid, &mut self.without_number)))
    }

    /// Reads the open sockets, and notices all that have the number of a port: a connection may be what remains of a
    /// listener that was closed, and the process of a socket may be hidden.
    fn read(&mut self, tables: &Path, in_container: bool) -> io::Result<Vec<Socket>> {
        let ports = self.ports;
        let is_of = |at: &PortAddress, socket: &Socket| {
            // A connection of a process that has ended may be that of an earlier run.
            let is_held = socket.is_open || socket.inode != 0;
            is_held && is_at(socket, at, in_container, Socket::occupies)
        };
        let is_wanted =
            |socket: &Socket| socket.is_open || ports.iter().any(|at| is_of(at, socket));
        let mut found = sockets(tables, &is_wanted)?;
        if self.looks.has_begun {
            for (at, noticed) in ports.iter().zip(&mut self.noticed) {
                *noticed |= found.iter().any(|socket| is_of(at, socket));
            }
        }
        found.retain(|socket| socket.is_open);
        Ok(found)
    }

    /// The sockets that belong to the job. The process of a socket is searched for only while the socket is
    /// new, because a process may have very many.
    fn owned(
        &mut self,
        sockets: Vec<Socket>,
        pids: impl FnOnce() -> io::Result<Vec<Pid>>,
    ) -> io::Result<Vec<Socket>> {
        let present: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
        self.own.retain(|inode| present.contains(inode));
        self.foreign.retain(|inode, _| present.contains(inode));
        let unknown: HashSet<u64> = present
            .into_iter()
            .filter(|inode| !self.own.contains(inode))
            .filter(|inode| self.foreign.get(inode).is_none_or(|scans| *scans < MAX_SCANS))
            .collect();
        if !unknown.is_empty() {
            for pid in pids()? {
                self.own.extend(socket_inodes(pid).filter(|inode| unknown.contains(inode)));
            }
            for inode in unknown.iter().filter(|inode| !self.own.contains(inode)) {
                *self.foreign.entry(*inode).or_default() += 1;
            }
        }
        Ok(sockets.into_iter().filter(|socket| self.own.contains(&socket.inode)).collect())
    }

    fn record(&mut self, socket: &Socket, in_container: bool, events: &mut Vec<PortEvent>) {
        let serves = |at: &PortAddress| is_at(socket, at, in_container, Socket::serves);
        let is_exposed = !in_container && !self.everywhere && socket.local.ip().is_unspecified();
        let found = self.ports.iter().enumerate().find(|(_, at)| serves(at));
        let Some((index, at)) = found else {
            let more = if is_exposed { EVERYWHERE } else { "" };
            events.extend(self.undeclared(socket, in_container, more).map(PortEvent::Warning));
            return;
        };
        if is_exposed && self.exposed.insert(index) {
            events.push(PortEvent::Warning(exposed(socket, at)));
        }
        let is_probed =
            at.port.ready().is_some() || (in_container && socket.transport == Transport::Tcp);
        let state = self.states.get_mut(index).filter(|state| **state == State::Closed);
        if let Some(state) = state {
            *state = State::Open;
            events.extend((!is_probed).then_some(PortEvent::Ready(index)));
        }
    }

    /// The ports that are open and have to be probed. Their state is [`State::Probing`] from now on.
    pub(super) fn begin_probes(&mut self) -> Vec<usize> {
        let mut open = Vec::new();
        for (index, state) in self.states.iter_mut().enumerate() {
            if *state == State::Open {
                *state = State::Probing;
                open.push(index);
            }
        }
        open
    }

    /// Records that a port was probed and is not ready. If it is still open at the next scan, it is probed
    /// again.
    pub(super) fn probe_again(&mut self, index: usize) {
        self.set(index, State::Closed);
    }

    pub(super) fn set_settled(&mut self, index: usize) {
        self.set(index, State::Settled);
    }

    fn set(&mut self, index: usize, to: State) {
        if let Some(state) = self.states.get_mut(index) {
            *state = to;
        }
    }

    /// A warning about a port that the job has opened and not declared, if one is due. It says `more` at its end.
    fn undeclared(&mut self, socket: &Socket, in_container: bool, more: &str) -> Option<String> {
        let (transport, number) = (socket.transport, socket.local.port());
        let is_short_lived = transport == Transport::Udp && self.ephemeral.contains(&number);
        let is_undisclosed = transport == Transport::Tcp && self.undisclosed.contains(&number);
        if is_short_lived
            || is_undisclosed
            || self.warned.len() > MAX_WARNINGS
            || !self.warned.insert((transport, number))
        {
            return None;
        }
        if self.warned.len() > MAX_WARNINGS {
            return Some("the job opens more ports that it does not declare".to_owned());
        }
        let warning = if in_container { undeclared(socket) } else { self.warning_for(socket) };
        Some(warning + more)
    }

    /// The warning about an undeclared port of a job on this machine. A declared port that was meant counts as noticed.
    fn warning_for(&mut self, socket: &Socket) -> String {
        let all = self.ports.iter().zip(&mut self.noticed);
        let mut ports: Vec<_> =
            all.filter(|(at, _)| Transport::of(at.port.protocol()) == socket.transport).collect();
        let number = socket.local.port();
        if let Some((at, noticed)) = ports.iter_mut().find(|(at, _)| at.address.port() == number) {
            **noticed = true;
            let (name, address) = (at.port.name(), at.address);
            let local = socket.local;
            return format!(
                "the job listens at {local}, but clients reach port `{name}` at {address}: listen at that \
                 address"
            );
        }
        let meant = ports.iter_mut().find(|(at, _)| at.port.number().get() == number);
        if let Some((at, noticed)) = meant {
            **noticed = true;
            let (name, address) = (at.port.name(), at.address);
            let transport = socket.transport.upper_case();
            return format!(
                "the job listens on port {number}, but in this run port `{name}` is at {address}: take the \
                 number from `JobContext::port`, or from the variable CHUTES_PORT_{transport}_{number}"
            );
        }
        undeclared(socket)
    }
}

/// Whether a socket is at a port: in a container by its number, because addresses there are its own, and else as
/// `relation` says of its address.
fn is_at(
    socket: &Socket,
    at: &PortAddress,
    in_container: bool,
    relation: fn(&Socket, SocketAddr) -> bool,
) -> bool {
    let is_related = if in_container {
        at.port.number().get() == socket.local.port()
    } else {
        relation(socket, at.address)
    };
    Transport::of(at.port.protocol()) == socket.transport && is_related
}

/// What a warning about an undeclared port says besides if the port is open at every address.
const EVERYWHERE: &str =
    "; it is open at every address of this machine, so other machines can connect to it";

fn undeclared(socket: &Socket) -> String {
    let opens = opens(socket);
    format!(
        "the job {opens}, which it does not declare; add it to `ports`, so that it is known and can \
         be published"
    )
}

/// The warning about a port that the job has open at every address although that was not asked for.
fn exposed(socket: &Socket, at: &PortAddress) -> String {
    let (opens, name, address, all) =
        (opens(socket), at.port.name(), at.address, socket.local.ip());
    format!(
        "the job {opens} at every address of this machine, so other machines can connect to it, but in this \
         run port `{name}` is at {address}: open it at that address only, or start the run with `--host {all}`"
    )
}

fn opens(socket: &Socket) -> String {
    let verb = match socket.transport {
        Transport::Tcp => "listens on port",
        Transport::Udp => "has opened the UDP port",
    };
    format!("{verb} {}", socket.local.port())
}

/// The folder with the socket tables of a container, unless its network is that of this machine, where
/// sockets of other programs would be taken for the job's.
fn network_tables(pid: i32) -> io::Result<PathBuf> {
    // A namespace that may not be inspected belongs to an engine of another user, and that gives containers
    // a network of their own.
    if let Ok(network) = std::fs::metadata(format!("/proc/{pid}/ns/net"))
        && is_own_network(&network)?
    {
        return Err(io::Error::other("the container has no network of its own"));
    }
    Ok(PathBuf::from(format!("/proc/{pid}/net")))
}
