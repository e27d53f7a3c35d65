//! Accepts connections, each of which is then served by a task of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{self, ClientConnection, Shared, Stop};
use super::limits::HandshakeLimiter;

/// How long to wait after an accept that failed, most often for want of files: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long connections may take to send what the job has said before it ended.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Accepts until the front ends. All connections end with it.
pub(super) async fn run(listener: TcpListener, front: Arc<Shared>, mut stop: Stop) {
    let mut connections = JoinSet::new();
    {
        let theirs = stop.clone();
        let accepting = accept_all(&listener, &front, &theirs, &mut connections);
        tokio::select! {
            () = accepting => {}
            () = stop.requested() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Those that are not done by then are cut off.
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
    let room = Arc::new(Semaphore::new(front.limits.connections));
    loop {
        let stream = tokio::select! {
            stream = accept(listener) => stream,
            Some(_) = connections.join_next() => continue,
        };
        let Some(room) = make_room(&room, &handshakes).await else { return };
        let ticket = handshakes.enter(front.limits.handshakes);
        let (front, stop) = (Arc::clone(front), stop.clone());
        let admission = ClientConnection { front, ticket, stop, _room: room };
        connections.spawn(connection::serve(stream, admission));
    }
}

/// Waits for a place, for which the oldest connection that has not sent a request is given up.
async fn make_room(
    room: &Arc<Semaphore>,
    handshakes: &Arc<HandshakeLimiter>,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
        return Some(permit);
    }
    handshakes.give_one_up();
    Arc::clone(room).acquire_owned().await.ok()
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut pause, longest) = BACK_OFF;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client has gone before it was looked at.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => {
                sleep(pause).await;
                pause = (2 * pause).min(longest);
            }
        }
    }
}
