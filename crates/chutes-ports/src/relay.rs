//! Relays connections into a container that has no network: accepts them on this machine, and connects to
//! the loopback interface of the container.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::PortAddress;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::connector::Connector;

/// The largest number of connections at a time, over all ports. Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// The pause after a failed accept, for instance because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Relays connections until it is stopped or dropped.
#[derive(Debug)]
pub struct Relay {
    tasks: JoinSet<Infallible>,
}

impl Relay {
    /// Accepts connections on the listeners, which must not block, from now on.
    pub fn start(
        listeners: Vec<(StdListener, PortAddress)>,
        connector: &Connector,
    ) -> io::Result<Self> {
        Self::with_at_most(MAX_CONNECTIONS, listeners, connector)
    }

    fn with_at_most(
        connections: usize,
        listeners: Vec<(StdListener, PortAddress)>,
        connector: &Connector,
    ) -> io::Result<Self> {
        let permits = Arc::new(Semaphore::new(connections));
        let mut tasks = JoinSet::new();
        for (listener, port) in listeners {
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn(accept(listener, port, connector.clone(), Arc::clone(&permits)));
        }
        Ok(Self { tasks })
    }

    /// Closes the listeners and all connections.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(
    listener: TcpListener,
    port: PortAddress,
    connector: Connector,
    permits: Arc<Semaphore>,
) -> Infallible {
    // The connections end when this task ends.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return pending().await };
        let (port, connector) = (port.clone(), connector.clone());
        connections.spawn(async move {
            relay(client, &port, &connector).await;
            drop(permit);
        });
    }
}

/// Copies in both directions until both sides have closed, however long one of them is silent.
async fn relay(mut client: TcpStream, port: &PortAddress, connector: &Connector) {
    let mut job = match connector.connect(port).await {
        Ok(job) => job,
        Err(error) => {
            // No server listens there, or not yet. The client gets a reset, as if the port were closed.
            tracing::debug!(port = %port.port.name(), %error, "a connection was not passed on");
            let _ = client.set_zero_linger();
            return;
        }
    };
    for stream in [&client, &job] {
        let _ = stream.set_nodelay(true);
    }
    // On an error, which is a reset of one side, both connections are closed.
    let _ = copy_bidirectional(&mut client, &mut job).await;
}
