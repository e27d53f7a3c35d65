//! The body of an answer of the job, which keeps its connection to the job open.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::Exchange;

/// The body of an answer. Dropping it closes the connection to the job, so that the job notices that the
/// client has gone.
pub(super) struct Answer {
    body: Incoming,
    _exchange: Exchange,
}

impl Answer {
    pub(super) fn new(body: Incoming, exchange: Exchange) -> Self {
        Self { body, _exchange: exchange }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
