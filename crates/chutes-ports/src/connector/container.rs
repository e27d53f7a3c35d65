//! Connections from within the network of a container.
//!
//! A thread can go into the network namespace of another process, and a socket stays in the one in which it
//! was made. So a thread is started for each connection, and never used for anything else.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use chutes_core::PortAddress;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};

use super::{CONNECT_TIME, loopback, within_reach};
use crate::await_started;
use crate::sockets::is_own_network;

/// How many connections may be on their way into the container at a time. Whoever gives up does not end the
/// thread that connects for him, and a job that accepts nothing makes each of them wait.
const MOST_ON_THEIR_WAY: usize = 128;

/// The network of the container of a run.
#[derive(Clone, Debug)]
pub struct ContainerConnector {
    /// The first process of the container, by its pid on this machine, while it runs.
    pid: watch::Receiver<Option<i32>>,
    is_published: bool,
    on_their_way: Arc<Semaphore>,
}

impl ContainerConnector {
    #[must_use]
    /// Connects into the network of the process whose pid is sent, as soon as it is.
    pub fn new(pid: watch::Receiver<Option<i32>>) -> Self {
        let on_their_way = Arc::new(Semaphore::new(MOST_ON_THEIR_WAY));
        Self { pid, is_published: false, on_their_way }
    }

    /// Says that an engine publishes the ports at their addresses on this machine. They are used where this
    /// process may not go into the network of the container, for instance because it does not belong to root
    /// and the engine does. (Never to be said where a [`Relay`](crate::Relay) listens at these
    /// addresses: it would connect to itself.)
    #[must_use]
    pub fn with_published_ports(self) -> Self {
        Self { is_published: true, ..self }
    }

    /// A connection to a TCP port of the job.
    pub async fn connect(&self, port: &PortAddress) -> io::Result<TcpStream> {
        match self.connect_local(port.port.number().get()).await {
            Err(error) if self.is_published && error.kind() == io::ErrorKind::PermissionDenied => {
                super::connect(within_reach(port.address)).await
            }
            connected => connected,
        }
    }

    async fn pid(&self) -> io::Result<i32> {
        await_started(&self.pid).await.ok_or_else(|| {
            let message = "the container does not run: it has not been started yet, or has ended";
            io::Error::new(io::ErrorKind::NotConnected, message)
        })
    }

    /// A connection to any port of the loopback interface, as the container sees it.
    pub async fn connect_local(&self, number: u16) -> io::Result<TcpStream> {
        let pid = self.pid().await?;
        let turn = Arc::clone(&self.on_their_way).acquire_owned();
        let turn = turn.await.map_err(io::Error::other)?;
        let (sender, stream) = oneshot::channel();
        thread::Builder::new().name("container network".to_owned()).spawn(move || {
            let connected = enter(pid).and_then(|()| connect(loopback(number)));
            drop(turn);
            // Whoever has asked may have given up meanwhile.
            let _ = sender.send(connected);
        })?;
        let gone = |_| io::Error::other("the thread that connects has ended without an answer");
        let stream = stream.await.map_err(gone)??;
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    }
}

/// Brings this thread into the network of a process, for ever.
fn enter(pid: i32) -> io::Result<()> {
    let named = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(io::ErrorKind::NotConnected, "the container has ended")
        }
        io::ErrorKind::PermissionDenied => {
            let message = "this process may not go into the network of the container: that takes root, or \
                           the user to whom the container engine belongs";
            io::Error::new(io::ErrorKind::PermissionDenied, message)
        }
        kind => {
            io::Error::new(kind, format!("cannot go into the network of the container: {error}"))
        }
    };
    let network = File::open(format!("/proc/{pid}/ns/net")).map_err(named)?;
    if is_own_network(&network.metadata()?)? {
        // Either the engine gives its containers the network of the machine, or the container has ended and
        // something else has its pid. Nobody may get from a container to this machine by that.
        let message = "the container has no network of its own";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| named(error.into()))
}

fn connect([first, second]: [SocketAddr; 2]) -> io::Result<StdStream> {
    match StdStream::connect_timeout(&first, CONNECT_TIME) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            StdStream::connect_timeout(&second, CONNECT_TIME).map_err(|_| error)
        }
        connected => connected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_are_on_their_way_than_there_may_be() {
        let (_sender, pid) = watch::channel(Some(rustix::process::getpid().as_raw_pid()));
        let reach = ContainerConnector::new(pid);
        let most = u32::try_from(MOST_ON_THEIR_WAY).unwrap();
        let others = Arc::clone(&reach.on_their_way).acquire_many_owned(most).await.unwrap();
        let clone = reach.clone();
        let one_more = tokio::spawn(async move { clone.connect_local(9).await });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!one_more.is_finished(), "it has to wait");
        drop(others);
        let error = one_more.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the container has no network of its own");
        assert_eq!(reach.on_their_way.available_permits(), MOST_ON_THEIR_WAY, "it has left");
    }
}
