//! One connection of a client: its TLS handshake, then the protocol that both sides have negotiated.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::limits::{FrontLimits, PendingHandshake};
use super::{Upstream, http2, pipe};

/// TCP keepalive: how long a connection is idle before the first probe, the interval between probes, and
/// how many may be lost.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(15), 4);

/// What all connections share.
pub(super) struct Shared {
    pub(super) tls: TlsAcceptor,
    pub(super) upstream: Upstream,
    pub(super) limits: FrontLimits,
    /// One permit for each request over HTTP/2 that is being served.
    pub(super) requests: Arc<Semaphore>,
    /// One permit for each connection to the job that is kept without a request.
    pub(super) kept: Arc<Semaphore>,
}

impl Shared {
    /// A connection to the job; `None` when it does not answer in time.
    pub(super) async fn connect(&self) -> Option<TcpStream> {
        let connect = self.upstream.connector.connect(&self.upstream.port);
        let job = timeout(self.limits.connect_time, connect).await.ok()?.ok()?;
        // Small writes are passed on without delay.
        let _ = job.set_nodelay(true);
        Some(job)
    }
}

/// Notifies connections that the front was stopped.
#[derive(Clone)]
pub(super) struct Stop(pub(super) watch::Receiver<bool>);

impl Stop {
    pub(super) async fn requested(&mut self) {
        // A front that was dropped counts as stopped.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// What the front keeps for one connection of a client.
pub(super) struct ClientConnection {
    pub(super) front: Arc<Shared>,
    pub(super) handshake: PendingHandshake,
    pub(super) stop: Stop,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// Serves a connection until it ends, or is closed to make room for others.
pub(super) async fn serve(stream: TcpStream, mut connection: ClientConnection) {
    let closed = connection.handshake.close_signal();
    tokio::select! {
        // An error concerns this client only, which sees it.
        served = handshake_and_serve(stream, &mut connection) => drop(served),
        () = closed.notified() => {}
    }
}

async fn handshake_and_serve(
    stream: TcpStream,
    connection: &mut ClientConnection,
) -> io::Result<()> {
    let (idle, interval, count) = KEEP_ALIVE;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, idle)?;
    sockopt::set_tcp_keepintvl(&stream, interval)?;
    sockopt::set_tcp_keepcnt(&stream, count)?;
    let time = connection.front.limits.handshake_time;
    let handshake = connection.front.tls.accept(stream).into_fallible();
    let accepted = tokio::select! {
        accepted = timeout(time, handshake) => accepted?,
        () = connection.stop.requested() => return Ok(()),
    };
    match accepted {
        Ok(client) => {
            connection.handshake.completed();
            match client.get_ref().1.alpn_protocol() {
                Some(b"h2") => Box::pin(http2::serve(client, connection)).await,
                _ => pipe::serve(client, connection).await,
            }
        }
        Err((_, mut stream)) => {
            // The TLS alert with the reason was already sent to the client.
            stream.shutdown().await?;
            pipe::linger(&mut stream).await
        }
    }
}
