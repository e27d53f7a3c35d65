//! Connections passed on into a container that has no network: accepted here, and connected again from within
//! its own loopback interface.

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

/// How many connections there may be at a time, over all ports. More have to wait.
const MOST_CONNECTIONS: usize = 512;

/// How long nothing is accepted after it has failed, for instance because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Passes connections on until it is stopped or dropped.
#[derive(Debug)]
pub struct Relay {
    tasks: JoinSet<Infallible>,
}

impl Relay {
    /// Accepts on the listeners, which must not block, from now on.
    pub fn start(
        listeners: Vec<(StdListener, PortAddress)>,
        reach: &Connector,
    ) -> io::Result<Self> {
        Self::with_at_most(MOST_CONNECTIONS, listeners, reach)
    }

    fn with_at_most(
        connections: usize,
        listeners: Vec<(StdListener, PortAddress)>,
        reach: &Connector,
    ) -> io::Result<Self> {
        let places = Arc::new(Semaphore::new(connections));
        let mut tasks = JoinSet::new();
        for (listener, port) in listeners {
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn(accept(listener, port, reach.clone(), Arc::clone(&places)));
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
    reach: Connector,
    places: Arc<Semaphore>,
) -> Infallible {
    // They end with this.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // Nobody closes the places.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return pending().await };
        let (port, reach) = (port.clone(), reach.clone());
        connections.spawn(async move {
            pass_on(client, &port, &reach).await;
            drop(place);
        });
    }
}

/// Copies both ways until both sides have said all, however long one of them is silent.
async fn pass_on(mut client: TcpStream, port: &PortAddress, reach: &Connector) {
    let mut job = match reach.connect(port).await {
        Ok(job) => job,
        Err(error) => {
            // Nobody serves there, or not yet. The client is told so by a reset, as if nobody listened.
            tracing::debug!(port = %port.port.name(), %error, "a connection was not passed on");
            let _ = client.set_zero_linger();
            return;
        }
    };
    for stream in [&client, &job] {
        let _ = stream.set_nodelay(true);
    }
    // An error on one side is a reset, which both are told by the end of the connection.
    let _ = copy_bidirectional(&mut client, &mut job).await;
}
