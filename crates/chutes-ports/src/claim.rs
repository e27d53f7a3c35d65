//! The ports of a run, held from before the start of the worker until the job opens them.
//!
//! A port that cannot be opened is thus reported at once, and not after an hour of downloads.

mod error;
mod hold;
#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use chutes_core::{Port, PortAddress, Ports, Protocol, Publish};

pub use self::error::ClaimError;
use self::hold::Reservation;
use super::sockets::Transport;

/// The largest number of attempts to find a free number that is not reserved for another run.
const MAX_ATTEMPTS: usize = 16;

/// The ports of a run. Their numbers belong to the run until this is dropped, also after
/// [`Claims::release`]: no other run takes them for free.
#[derive(Debug)]
pub struct Claims {
    /// In the order of declaration.
    held: Vec<Held>,
    has_ssh: bool,
}

#[derive(Debug)]
struct Held {
    at: PortAddress,
    /// Bound, and for SSH listening. `None` once it was released or handed over.
    socket: Option<OwnedFd>,
    /// `None` where the system does not support reservations.
    _reservation: Option<Reservation>,
}

impl Claims {
    /// Binds every port once to see that it is free, and holds the sockets. No client can connect to them,
    /// except to the SSH port, which listens from now on.
    ///
    /// Where an engine publishes the ports of a container, the caller has to [`Self::release`] them before
    /// the engine starts the container.
    pub fn take(declared: &Ports, host: IpAddr, publish: &[Publish]) -> Result<Self, ClaimError> {
        let numbers = numbers(declared, publish)?;
        let has_ssh = declared.ssh();
        let last = numbers.len().checked_sub(1);
        // Fixed numbers are bound first, so that an arbitrary free number is never one that another port
        // needs.
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by_key(|index| numbers[*index].1 == 0);
        let mut held: Vec<Option<Held>> = numbers.iter().map(|_| None).collect();
        for index in order {
            let (port, number) = numbers[index];
            let is_ssh = has_ssh && Some(index) == last;
            held[index] = Some(Held::take(port, SocketAddr::new(host, number), is_ssh)?);
        }
        Ok(Self { held: held.into_iter().flatten().collect(), has_ssh })
    }

    /// The same for a container without a network: only TCP connections can be relayed into it.
    pub fn take_for_relay(
        declared: &Ports,
        host: IpAddr,
        publish: &[Publish],
    ) -> Result<Self, ClaimError> {
        match declared.iter().find(|port| port.protocol() == Protocol::Udp) {
            Some(port) => Err(ClaimError::UdpWithoutNetwork { name: port.name().clone() }),
            None => Self::take(declared, host, publish),
        }
    }

    /// All ports, in the order of declaration, the SSH port last.
    #[must_use]
    pub fn addresses(&self) -> Vec<PortAddress> {
        self.held.iter().map(|held| held.at.clone()).collect()
    }

    /// The ports that the job opens: all but the SSH port.
    #[must_use]
    pub fn job_ports(&self) -> Vec<PortAddress> {
        let (job, _) = self.held.split_at(self.job_ports_end());
        job.iter().map(|held| held.at.clone()).collect()
    }

    /// Closes the sockets of the ports that the job opens now. The SSH listener stays.
    pub fn release(&mut self) {
        let end = self.job_ports_end();
        self.held.iter_mut().take(end).for_each(|held| held.socket = None);
    }

    /// Listeners at the ports of the job, for a [`Relay`](super::Relay); used in place of
    /// [`Self::release`].
    pub fn take_listeners(&mut self) -> Result<Vec<(TcpListener, PortAddress)>, ClaimError> {
        let end = self.job_ports_end();
        let mut listeners = Vec::with_capacity(end);
        for held in self.held.iter_mut().take(end) {
            let Some(socket) = held.socket.take() else { continue };
            let listening = hold::listen_on(socket);
            let unavailable =
                |errno| ClaimError::unavailable(&held.at.port, held.at.address, errno);
            let listener = listening.map_err(unavailable)?;
            listeners.push((listener, held.at.clone()));
        }
        Ok(listeners)
    }

    /// The SSH listener, if there is one and it was not taken before. It listens, and does not block.
    pub fn take_ssh(&mut self) -> Option<TcpListener> {
        let held = self.held.last_mut().filter(|_| self.has_ssh)?;
        held.socket.take().map(TcpListener::from)
    }

    fn job_ports_end(&self) -> usize {
        self.held.len().saturating_sub(usize::from(self.has_ssh))
    }
}

impl Held {
    fn take(port: &Port, requested: SocketAddr, listens: bool) -> Result<Self, ClaimError> {
        Self::take_with(port, requested, listens, &mut Reservation::make)
    }

    fn take_with(
        port: &Port,
        requested: SocketAddr,
        listens: bool,
        reserve: &mut dyn FnMut(SocketAddr, Transport) -> io::Result<Reservation>,
    ) -> Result<Self, ClaimError> {
        let transport = Transport::of(port.protocol());
        // Sockets at reserved numbers are held meanwhile, so that each attempt finds another number.
        let mut rejected = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            let bound = hold::bind(requested, transport, listens);
            let (socket, address) =
                bound.map_err(|errno| ClaimError::unavailable(port, requested, errno))?;
            match reserve(address, transport) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => rejected.push(socket),
                reserved => {
                    let at = PortAddress { port: port.clone(), address };
                    return Ok(Self { at, socket: Some(socket), _reservation: reserved.ok() });
                }
            }
            if requested.port() != 0 {
                break;
            }
        }
        Err(ClaimError::reserved(port, requested))
    }
}

/// The number at which each port is opened; 0 is any that is free.
fn numbers<'a>(
    declared: &'a Ports,
    publish: &[Publish],
) -> Result<Vec<(&'a Port, u16)>, ClaimError> {
    if let Some(wrong) = publish.iter().find(|one| !declared.iter().any(|port| one.is_for(port))) {
        return Err(ClaimError::undeclared(wrong, declared));
    }
    let mut numbers: Vec<(&Port, u16)> = Vec::new();
    for port in declared {
        let mut published = publish.iter().filter(|one| one.is_for(port)).map(|one| one.to);
        let number = published.next().unwrap_or(port.number().get());
        if published.next().is_some() {
            return Err(ClaimError::PublishedTwice { name: port.name().clone() });
        }
        if let Some((other, _)) = numbers.iter().find(|(_, taken)| number != 0 && *taken == number)
        {
            let (first, second) = (other.name().clone(), port.name().clone());
            return Err(ClaimError::SameNumber { first, second, number });
        }
        numbers.push((port, number));
    }
    Ok(numbers)
}

/// Environment variables that give the job its ports: `CHUTES_PORT_TCP_8080=18080`, by the declared
/// numbers.
#[must_use]
pub fn variables(ports: &[PortAddress]) -> Vec<(String, String)> {
    let variable = |at: &PortAddress| {
        let transport = Transport::of(at.port.protocol()).upper_case();
        let name = format!("CHUTES_PORT_{transport}_{}", at.port.number());
        (name, at.address.port().to_string())
    };
    ports.iter().map(variable).collect()
}
