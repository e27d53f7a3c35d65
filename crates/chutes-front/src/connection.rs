//! One connection: its TLS handshake, then what the two sides have agreed to speak.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::limits::{FrontLimits, Ticket};
use super::{Upstream, http2, pipe};

/// How long a connection may be silent before the system asks whether the other side is still there, then
/// how long between two questions, and how many may stay without an answer.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(15), 4);

/// What all connections share.
pub(super) struct Shared {
    pub(super) tls: TlsAcceptor,
    pub(super) upstream: Upstream,
    pub(super) limits: FrontLimits,
    /// Turns of requests over HTTP/2.
    pub(super) requests: Arc<Semaphore>,
}

impl Shared {
    /// A connection to the job; `None` when it does not answer in time.
    pub(super) async fn connect(&self) -> Option<TcpStream> {
        let connect = self.upstream.connector.connect(&self.upstream.port);
        let job = timeout(self.limits.connect_time, connect).await.ok()?.ok()?;
        // Small writes of one side are small writes of the other.
        let _ = job.set_nodelay(true);
        Some(job)
    }
}

/// Tells that the front ends.
#[derive(Clone)]
pub(super) struct Stop(pub(super) watch::Receiver<bool>);

impl Stop {
    pub(super) async fn requested(&mut self) {
        // A front that is gone has ended.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// One connection among the others.
pub(super) struct ClientConnection {
    pub(super) front: Arc<Shared>,
    pub(super) ticket: Ticket,
    pub(super) stop: Stop,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Serves a connection until it ends, or has to make room for others.
pub(super) async fn serve(stream: TcpStream, mut admission: ClientConnection) {
    let given_up = admission.ticket.signal();
    tokio::select! {
        // Whatever goes wrong, the client sees it, and nobody else has to.
        served = greet(stream, &mut admission) => drop(served),
        () = given_up.notified() => {}
    }
}

async fn greet(stream: TcpStream, admission: &mut ClientConnection) -> io::Result<()> {
    let (idle, interval, count) = KEEP_ALIVE;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, idle)?;
    sockopt::set_tcp_keepintvl(&stream, interval)?;
    sockopt::set_tcp_keepcnt(&stream, count)?;
    let time = admission.front.limits.handshake_time;
    let handshake = admission.front.tls.accept(stream).into_fallible();
    let shaken = tokio::select! {
        shaken = timeout(time, handshake) => shaken?,
        () = admission.stop.requested() => return Ok(()),
    };
    match shaken {
        Ok(client) => {
            admission.ticket.shaken();
            match client.get_ref().1.alpn_protocol() {
                Some(b"h2") => Box::pin(http2::serve(client, admission)).await,
                _ => pipe::serve(client, admission).await,
            }
        }
        Err((_, mut stream)) => {
            // The reason was sent to the client already.
            stream.shutdown().await?;
            pipe::linger(&mut stream).await
        }
    }
}
