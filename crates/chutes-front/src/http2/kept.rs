//! Connections to the job that are kept for more requests of the same client.
//!
//! Only a request without a body that is safe to repeat goes over such a connection: the job may close it at the same
//! moment, and then the request is sent again over a new one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until};

use super::tasks::Tasks;
use super::{BUFFER, Refusal};

/// How many connections are kept for one client.
const MOST: usize = 16;

/// The body of a request to the job.
type RequestBody = Either<Incoming, Empty<Bytes>>;

/// A connection to the job. Dropping it closes it.
pub(super) struct JobConnection {
    sender: SendRequest<RequestBody>,
    /// Ends the task that drives it when this is dropped.
    _alive: oneshot::Sender<()>,
    used: Instant,
    /// While it is kept.
    permit: Option<OwnedSemaphorePermit>,
}

impl JobConnection {
    pub(super) async fn over(job: TcpStream, tasks: &Tasks) -> Result<Self, Refusal> {
        let builder = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(job));
        let (sender, connection) = builder.await.map_err(|_| Refusal::NoAnswer)?;
        let (alive, dropped) = oneshot::channel();
        tasks.add(async move {
            tokio::select! {
                biased;
                _ = dropped => {}
                // An error is also reported to the request, or to the body of its answer.
                _ = connection => {}
            }
        });
        Ok(Self { sender, _alive: alive, used: Instant::now(), permit: None })
    }

    /// Sends a request. Without an answer, the connection is closed.
    pub(super) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<(Self, Response<Incoming>), Refusal> {
        let response = self.sender.send_request(request).await.map_err(|_| Refusal::NoAnswer)?;
        Ok((self, response))
    }
}

/// The connections that are kept for one client.
#[derive(Clone)]
pub(super) struct Kept {
    /// Those of all clients.
    permits: Arc<Semaphore>,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    connections: Mutex<Vec<JobConnection>>,
    added: Notify,
}

impl Kept {
    pub(super) fn new(permits: Arc<Semaphore>) -> Self {
        Self { permits, inner: Arc::default() }
    }

    /// Takes one that can take a request now. The one that was used last is taken first.
    pub(super) fn take(&self) -> Option<JobConnection> {
        let mut connections = self.connections();
        connections.retain(|connection| !connection.sender.is_closed());
        let at = connections.iter().rposition(|connection| connection.sender.is_ready())?;
        let mut connection = connections.remove(at);
        connection.permit = None;
        Some(connection)
    }

    /// Keeps one whose answer is complete.
    pub(super) fn put(&self, mut connection: JobConnection) {
        connection.used = Instant::now();
        connection.permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let may_be_kept = connection.permit.is_some() && !connection.sender.is_closed();
        let mut connections = self.connections();
        if may_be_kept && connections.len() < MOST {
            connections.push(connection);
            if connections.len() == 1 {
                self.inner.added.notify_one();
            }
        }
    }

    /// Closes, for ever, those that were not used for this time.
    pub(super) async fn close_idle(self, time: Duration) {
        loop {
            let first = self.connections().iter().map(|connection| connection.used).min();
            match first {
                Some(used) => sleep_until(used + time).await,
                None => self.inner.added.notified().await,
            }
            self.connections().retain(|connection| connection.used.elapsed() < time);
        }
    }

    fn connections(&self) -> MutexGuard<'_, Vec<JobConnection>> {
        self.inner.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
