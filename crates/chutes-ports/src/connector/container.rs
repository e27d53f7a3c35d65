//! Connections that are made within the network of a container.
//!
//! A thread can enter the network namespace of another process, and a socket stays in the namespace in
//! which it was made. So each connection is made by a thread of its own, which is used for nothing else.

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

use super::{CONNECT_TIME, loopback, loopback_if_unspecified};
use crate::await_started;
use crate::sockets::is_own_network;

/// The largest number of connections that are being established at a time. A client that gives up does not
/// end its thread, and a job that accepts nothing makes every thread wait.
const MAX_CONNECTING: usize = 128;

/// The network of the container of a run.
#[derive(Clone, Debug)]
pub struct ContainerConnector {
    /// The first process of the container, by its pid on this machine, while it runs.
    pid: watch::Receiver<Option<i32>>,
    is_published: bool,
    connecting: Arc<Semaphore>,
}

impl ContainerConnector {
    /// Connects within the network of the process whose pid is sent, as soon as it is known.
    #[must_use]
    pub fn new(pid: watch::Receiver<Option<i32>>) -> Self {
        let connecting = Arc::new(Semaphore::new(MAX_CONNECTING));
        Self { pid, is_published: false, connecting }
    }

    /// Declares that an engine publishes the ports at their addresses on this machine. They are used where
    /// this process may not enter the network of the container, for instance because it does not run as
    /// root and the engine does. (Must not be used where a [`Relay`](crate::Relay) listens at these
    /// addresses: it would connect to itself.)
    #[must_use]
    pub fn with_published_ports(self) -> Self {
        Self { is_published: true, ..self }
    }

    pub(super) const fn is_published(&self) -> bool {
        self.is_published
    }

    /// A connection to a TCP port of the job.
    pub async fn connect(&self, port: &PortAddress) -> io::Result<TcpStream> {
        match self.connect_local(port.port.number().get()).await {
            Err(error) if self.is_published && error.kind() == io::ErrorKind::PermissionDenied => {
                super::connect(loopback_if_unspecified(port.address)).await
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
        let permit = Arc::clone(&self.connecting).acquire_owned();
        let permit = permit.await.map_err(io::Error::other)?;
        let (sender, stream) = oneshot::channel();
        thread::Builder::new().name("container network".to_owned()).spawn(move || {
            let connected = enter(pid).and_then(|()| connect(loopback(number)));
            drop(permit);
            // The receiver may be gone by now.
            let _ = sender.send(connected);
        })?;
        let gone = |_| io::Error::other("the thread that connects has ended without an answer");
        let stream = stream.await.map_err(gone)??;
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    }
}

/// Moves this thread into the network namespace of a process, permanently.
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
        // another process has its pid. Neither may lead to a connection to this machine.
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
    async fn connections_in_progress_are_limited() {
        let (_sender, pid) = watch::channel(Some(rustix::process::getpid().as_raw_pid()));
        let connector = ContainerConnector::new(pid);
        let most = u32::try_from(MAX_CONNECTING).unwrap();
        let others = Arc::clone(&connector.connecting).acquire_many_owned(most).await.unwrap();
        let clone = connector.clone();
        let one_more = tokio::spawn(async move { clone.connect_local(9).await });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!one_more.is_finished(), "it does not wait");
        drop(others);
        let error = one_more.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the container has no network of its own");
        assert_eq!(
            connector.connecting.available_permits(),
            MAX_CONNECTING,
            "its permit is not returned"
        );
    }
}
