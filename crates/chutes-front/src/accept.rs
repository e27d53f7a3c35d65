//! Accepts connections, and serves each by a task of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{self, ClientConnection, Shared, Stop};
use super::limits::HandshakeLimiter;

/// The pause after a failed accept, which mostly means too many open files: the first one, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long connections may take to send the last data of the job after the front was stopped.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Accepts until the front is stopped. All connections end with it.
pub(super) async fn run(listener: TcpListener, front: Arc<Shared>, mut stop: Stop) {
    let mut connections = JoinSet::new();
    {
        let inner_stop = stop.clone();
        let accepting = accept_all(&listener, &front, &inner_stop, &mut connections);
        tokio::select! {
            () = accepting => {}
            () = stop.requested() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Connections that are not done by then are aborted.
    let _ = timeout(DRAIN_TIME, drained).await;
    connections.shutdown().await;
}

async fn accept_all(
    listener: &TcpListener,
    front: &Arc<Shared>,
    stop: &Stop,
    connections: &mut JoinSet<()>,
) {
    let handshakes = Arc::<HandshakeLimiter>::default();
    let permits = Arc::new(Semaphore::new(front.limits.connections));
    loop {
        let stream = tokio::select! {
            stream = accept(listener) => stream,
            Some(_) = connections.join_next() => continue,
        };
        let Some(permit) = acquire(&permits, &handshakes).await else { return };
        let handshake = handshakes.begin(front.limits.handshakes);
        let (front, stop) = (Arc::clone(front), stop.clone());
        let connection = ClientConnection { front, handshake, stop, _permit: permit };
        connections.spawn(connection::serve(stream, connection));
    }
}

/// Acquires a permit for one more connection. When none is free, the oldest connection that has not sent a
/// request is closed.
async fn acquire(
    permits: &Arc<Semaphore>,
    handshakes: &Arc<HandshakeLimiter>,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Some(permit);
    }
    handshakes.close_oldest();
    Arc::clone(permits).acquire_owned().await.ok()
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut pause, max_pause) = BACK_OFF;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client closed the connection before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => {
                sleep(pause).await;
                pause = (2 * pause).min(max_pause);
            }
        }
    }
}
