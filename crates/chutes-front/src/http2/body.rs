//! The body of an answer of the job, which has its connection to the job.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::kept::{JobConnection, Kept};

/// The body of an answer. When it is dropped before its end, the connection to the job is closed, so that the job notices
/// that the client has gone. After its end, the connection is kept.
pub(super) struct Answer {
    body: Incoming,
    has_ended: bool,
    connection: Option<JobConnection>,
    kept: Kept,
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    pub(super) fn new(
        body: Incoming,
        connection: JobConnection,
        kept: Kept,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let connection = Some(connection);
        Self { body, has_ended: false, connection, kept, _permit: permit }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if (self.has_ended || self.body.is_end_stream())
            && let Some(connection) = self.connection.take()
        {
            self.kept.put(connection);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.has_ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
