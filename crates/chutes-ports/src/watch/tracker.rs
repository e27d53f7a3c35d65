//! The state of the ports and sockets of the job, as the scans so far have found it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chutes_core::PortAddress;
use rustix::process::Pid;

use super::SocketOwner;
use crate::sockets::{Socket, Transport, ephemeral, is_own_network, open_sockets, socket_inodes};

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

pub(super) struct SocketTracker<'a> {
    ports: &'a [PortAddress],
    states: Vec<State>,
    /// The sockets of the job.
    own: HashSet<u64>,
    /// The sockets of other programs, and in how many scans their process was searched for.
    foreign: HashMap<u64, u8>,
    warned: HashSet<(Transport, u16)>,
    ephemeral: RangeInclusive<u16>,
    /// The TCP ports that there is no warning about.
    undisclosed: &'a [u16],
}

impl<'a> SocketTracker<'a> {
    pub(super) fn new(ports: &'a [PortAddress], undisclosed: &'a [u16]) -> Self {
        Self {
            ports,
            states: vec![State::Closed; ports.len()],
            own: HashSet::new(),
            foreign: HashMap::new(),
            warned: HashSet::new(),
            ephemeral: ephemeral(),
            undisclosed,
        }
    }

    /// Scans the sockets once.
    pub(super) fn scan(&mut self, owner: &SocketOwner) -> io::Result<Vec<PortEvent>> {
        let (sockets, in_container) = match owner {
            SocketOwner::Processes(pids) => {
                let sockets = open_sockets(Path::new("/proc/self/net"))?;
                (self.owned(sockets, pids)?, false)
            }
            SocketOwner::Namespace(pid) => match *pid.borrow() {
                Some(pid) => (open_sockets(&network_tables(pid)?)?, true),
                None => return Ok(Vec::new()),
            },
        };
        let mut events = Vec::new();
        for socket in sockets {
            events.extend(self.record(&socket, in_container));
        }
        Ok(events)
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

    fn record(&mut self, socket: &Socket, in_container: bool) -> Option<PortEvent> {
        let serves = |at: &PortAddress| {
            Transport::of(at.port.protocol()) == socket.transport
                && if in_container {
                    at.port.number().get() == socket.local.port()
                } else {
                    socket.serves(at.address)
                }
        };
        let Some(index) = self.ports.iter().position(serves) else {
            return self.undeclared(socket, in_container).map(PortEvent::Warning);
        };
        let has_path = self.ports.get(index).is_some_and(|at| at.port.ready().is_some());
        let is_probed = has_path || (in_container && socket.transport == Transport::Tcp);
        let state = self.states.get_mut(index).filter(|state| **state == State::Closed)?;
        *state = State::Open;
        (!is_probed).then_some(PortEvent::Ready(index))
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

    /// A warning about a port that the job has opened and not declared, if one is due.
    fn undeclared(&mut self, socket: &Socket, in_container: bool) -> Option<String> {
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
        Some(if in_container { undeclared(socket) } else { self.warning_for(socket) })
    }

    /// The warning about an undeclared port of a job on this machine.
    fn warning_for(&self, socket: &Socket) -> String {
        let same = |at: &&PortAddress| Transport::of(at.port.protocol()) == socket.transport;
        let mut ports = self.ports.iter().filter(same);
        let number = socket.local.port();
        if let Some(at) = ports.clone().find(|at| at.address.port() == number) {
            let (name, address) = (at.port.name(), at.address);
            let local = socket.local;
            return format!(
                "the job listens at {local}, but clients reach port `{name}` at {address}: listen at that \
                 address"
            );
        }
        if let Some(at) = ports.find(|at| at.port.number().get() == number) {
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

fn undeclared(socket: &Socket) -> String {
    let (verb, number) = (
        match socket.transport {
            Transport::Tcp => "listens on port",
            Transport::Udp => "has opened the UDP port",
        },
        socket.local.port(),
    );
    format!(
        "the job {verb} {number}, which it does not declare; add it to `ports`, so that it is known and can \
         be published"
    )
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
