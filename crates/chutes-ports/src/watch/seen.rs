//! What has been seen of the sockets of the job so far.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chutes_core::PortAddress;
use rustix::process::Pid;

use super::SocketOwner;
use crate::sockets::{Socket, Transport, ephemeral, inodes_of, is_own_network, open_sockets};

/// How many warnings there are about ports at most. A job that opens more does not know what it does, or does
/// it on purpose.
const MOST_WARNINGS: usize = 16;

/// How often it is looked for the process of a socket before it is taken for somebody else's. A process may be
/// so new that it is not yet known whose it is.
const LOOKS: u8 = 10;

/// Something new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The port with this index is open, and nothing more is to be asked of it.
    Open(usize),
    Warning(String),
}

/// How far a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody listens, as far as was seen.
    Closed,
    /// Somebody listens, and has not yet said that the port is ready.
    Open,
    /// It is being asked.
    Asked,
    /// That was told.
    Ready,
}

pub(super) struct Seen<'a> {
    ports: &'a [PortAddress],
    states: Vec<State>,
    /// The sockets of the job.
    own: HashSet<u64>,
    /// The sockets of others, and how often it was looked whose they are.
    strange: HashMap<u64, u8>,
    warned: HashSet<(Transport, u16)>,
    ephemeral: RangeInclusive<u16>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(ports: &'a [PortAddress]) -> Self {
        Self {
            ports,
            states: vec![State::Closed; ports.len()],
            own: HashSet::new(),
            strange: HashMap::new(),
            warned: HashSet::new(),
            ephemeral: ephemeral(),
        }
    }

    /// Looks once.
    pub(super) fn look(&mut self, owner: &SocketOwner) -> io::Result<Vec<News>> {
        let (sockets, in_container) = match owner {
            SocketOwner::Processes(pids) => {
                let sockets = open_sockets(Path::new("/proc/self/net"))?;
                (self.owned(sockets, pids)?, false)
            }
            SocketOwner::Namespace(pid) => match *pid.borrow() {
                Some(pid) => (open_sockets(&network_of(pid)?)?, true),
                None => return Ok(Vec::new()),
            },
        };
        let mut news = Vec::new();
        for socket in sockets {
            news.extend(self.take_in(&socket, in_container));
        }
        Ok(news)
    }

    /// Those of them that belong to the job. Which process has a socket is looked up only for sockets that are
    /// new, as a process may have very many.
    fn owned(
        &mut self,
        sockets: Vec<Socket>,
        pids: impl FnOnce() -> io::Result<Vec<Pid>>,
    ) -> io::Result<Vec<Socket>> {
        let there: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
        self.own.retain(|inode| there.contains(inode));
        self.strange.retain(|inode, _| there.contains(inode));
        let unknown: HashSet<u64> = there
            .into_iter()
            .filter(|inode| !self.own.contains(inode))
            .filter(|inode| self.strange.get(inode).is_none_or(|looks| *looks < LOOKS))
            .collect();
        if !unknown.is_empty() {
            for pid in pids()? {
                self.own.extend(inodes_of(pid).filter(|inode| unknown.contains(inode)));
            }
            for inode in unknown.iter().filter(|inode| !self.own.contains(inode)) {
                *self.strange.entry(*inode).or_default() += 1;
            }
        }
        Ok(sockets.into_iter().filter(|socket| self.own.contains(&socket.inode)).collect())
    }

    fn take_in(&mut self, socket: &Socket, in_container: bool) -> Option<News> {
        let serves = |at: &PortAddress| {
            Transport::of(at.port.protocol()) == socket.transport
                && if in_container {
                    at.port.number().get() == socket.local.port()
                } else {
                    socket.serves(at.address)
                }
        };
        let Some(index) = self.ports.iter().position(serves) else {
            return self.undeclared(socket, in_container).map(News::Warning);
        };
        let has_path = self.ports.get(index).is_some_and(|at| at.port.ready().is_some());
        let state = self.states.get_mut(index).filter(|state| **state == State::Closed)?;
        *state = State::Open;
        (!has_path).then_some(News::Open(index))
    }

    /// The ports that are open and are to be asked whether they are ready. They count as asked from now on.
    pub(super) fn begin_to_ask(&mut self) -> Vec<usize> {
        let mut open = Vec::new();
        for (index, state) in self.states.iter_mut().enumerate() {
            if *state == State::Open {
                *state = State::Asked;
                open.push(index);
            }
        }
        open
    }

    /// A port has not said that it is ready. If it is still open at the next look, it is asked again.
    pub(super) fn ask_again(&mut self, index: usize) {
        self.set(index, State::Closed);
    }

    pub(super) fn was_ready(&mut self, index: usize) {
        self.set(index, State::Ready);
    }

    fn set(&mut self, index: usize, to: State) {
        if let Some(state) = self.states.get_mut(index) {
            *state = to;
        }
    }

    /// A warning of a port that the job has opened and not declared, if one is due.
    fn undeclared(&mut self, socket: &Socket, in_container: bool) -> Option<String> {
        let (transport, number) = (socket.transport, socket.local.port());
        let is_short_lived = transport == Transport::Udp && self.ephemeral.contains(&number);
        if is_short_lived
            || self.warned.len() > MOST_WARNINGS
            || !self.warned.insert((transport, number))
        {
            return None;
        }
        if self.warned.len() > MOST_WARNINGS {
            return Some("the job opens more ports that it does not declare".to_owned());
        }
        Some(if in_container { undeclared(socket) } else { self.in_words(socket) })
    }

    /// What is wrong with a port of a job on this machine.
    fn in_words(&self, socket: &Socket) -> String {
        let same = |at: &&PortAddress| Transport::of(at.port.protocol()) == socket.transport;
        let mut ports = self.ports.iter().filter(same);
        let number = socket.local.port();
        if let Some(at) = ports.clone().find(|at| at.address.port() == number) {
            let (name, address) = (at.port.name(), at.address);
            let local = socket.local;
            return format!(
                "the job listens at {local}, and nobody reaches port `{name}` there, which is at {address}: \
                 listen at that address"
            );
        }
        if let Some(at) = ports.find(|at| at.port.number().get() == number) {
            let (name, address) = (at.port.name(), at.address);
            let transport = socket.transport.in_capitals();
            return format!(
                "the job listens on port {number}, but in this run port `{name}` is at {address}: take the \
                 number from `JobContext::port`, or from the variable CHUTES_PORT_{transport}_{number}"
            );
        }
        undeclared(socket)
    }
}

fn undeclared(socket: &Socket) -> String {
    let (does, number) = (
        match socket.transport {
            Transport::Tcp => "listens on port",
            Transport::Udp => "has opened the UDP port",
        },
        socket.local.port(),
    );
    format!(
        "the job {does} {number}, which it does not declare; add it to `ports`, so that it is known and can \
         be published"
    )
}

/// The tables of the network of a process, if that is not the one of this machine: what others have open here
/// is nothing of the job's.
fn network_of(pid: i32) -> io::Result<PathBuf> {
    // One that may not be looked at belongs to an engine of somebody else, who gives containers their own.
    if let Ok(network) = std::fs::metadata(format!("/proc/{pid}/ns/net"))
        && is_own_network(&network)?
    {
        return Err(io::Error::other("the container has no network of its own"));
    }
    Ok(PathBuf::from(format!("/proc/{pid}/net")))
}
