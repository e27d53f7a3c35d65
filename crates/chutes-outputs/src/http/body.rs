//! A request body that is read from disk while it is sent.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use reqwest::{Body, RequestBuilder, Response, StatusCode};

use crate::SourceFile;
use crate::http::reading::{Reading, Rest};
use chutes_transfer::TransferError;
use chutes_transfer::http::{Exchange, Refusal, drain};

/// How much is read at a time, in bytes. Two of these are in memory: one goes out, one is read.
const READ: usize = 1024 * 1024;

/// How much the HTTP client is given at a time, in bytes. It is counted as sent then, so that a slow
/// upload is not taken for one that stalls.
const HANDED_OUT: usize = 64 * 1024;

/// A file as the body of one request, perhaps with something before and after it.
pub(crate) struct Outgoing {
    body: Body,
    length: u64,
    watch: Arc<Watch>,
}

/// What is known of a body after the request. The HTTP client reports neither.
#[derive(Default)]
struct Watch {
    /// Whether the HTTP client has taken everything.
    whole: AtomicBool,
    /// Why the body could not go on.
    problem: Mutex<Option<TransferError>>,
}

impl Outgoing {
    /// Opens a file and reads its first piece, so that no request is made for a file that is gone.
    pub(crate) async fn open(
        file: &SourceFile,
        before: Bytes,
        after: Bytes,
    ) -> Result<Self, TransferError> {
        let (first, rest) = Reading::begin(file, READ).piece().await?;
        let length = file.bytes + (before.len() + after.len()) as u64;
        let watch = Arc::new(Watch::default());
        watch.whole.store(length == 0, Ordering::Release);
        let mut pieces = Pieces {
            ready: VecDeque::from([(before, false)]),
            next: None,
            after: Some(after),
            file: file.clone(),
            watch: watch.clone(),
        };
        pieces.push(first, rest);
        let body = Body::wrap_stream(stream::unfold(Some(pieces), Pieces::next));
        Ok(Self { body, length, watch })
    }

    /// Sends the request with this body. It has succeeded only when the server has granted it and has
    /// had the whole body.
    pub(crate) async fn send(
        self,
        request: RequestBuilder,
        exchange: &Exchange,
    ) -> Result<Response, Refusal> {
        let request = request.header(CONTENT_LENGTH, HeaderValue::from(self.length));
        let judged = exchange.judge(request.body(self.body).send().await).await;
        let problem = self.watch.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        let refusal = |error| Refusal { status: StatusCode::default(), body: String::new(), error };
        match (judged, problem) {
            // Where the file cannot be read, that is why the server refuses the request.
            (_, Some(problem)) => Err(refusal(problem)),
            (Ok(_), None) if !self.watch.whole.load(Ordering::Acquire) => Err(refusal(
                TransferError::transient("the server confirmed the file before it had all of it"),
            )),
            (judged, None) => judged,
        }
    }

    /// As [`Self::send`], for callers that need nothing of the answer.
    pub(crate) async fn deliver(
        self,
        request: RequestBuilder,
        exchange: &Exchange,
    ) -> Result<(), TransferError> {
        let response = self.send(request, exchange).await.map_err(|refusal| refusal.error)?;
        drain(response).await;
        Ok(())
    }
}

/// What the HTTP client takes, piece by piece.
struct Pieces {
    /// What can be handed out, and whether it is content of the file.
    ready: VecDeque<(Bytes, bool)>,
    /// The piece that is being read meanwhile.
    next: Option<Reading>,
    /// What comes after the file; `None` when it has been moved to `ready`.
    after: Option<Bytes>,
    file: SourceFile,
    watch: Arc<Watch>,
}

impl Pieces {
    fn push(&mut self, piece: Bytes, rest: Option<Rest>) {
        self.ready.push_back((piece, true));
        match rest {
            Some(rest) => self.next = Some(Reading::next(rest, READ)),
            None => self.ready.extend(self.after.take().map(|after| (after, false))),
        }
        self.ready.retain(|(piece, _)| !piece.is_empty());
    }

    async fn next(pieces: Option<Self>) -> Option<(io::Result<Bytes>, Option<Self>)> {
        let mut pieces = pieces?;
        if pieces.ready.is_empty() {
            match pieces.next.take()?.piece().await {
                Ok((piece, rest)) => pieces.push(piece, rest),
                Err(problem) => {
                    let error = io::Error::other(problem.message.clone());
                    let mut place =
                        pieces.watch.problem.lock().unwrap_or_else(PoisonError::into_inner);
                    *place = Some(problem);
                    return Some((Err(error), None));
                }
            }
        }
        let (front, is_content) = pieces.ready.front_mut()?;
        let piece = front.split_to(front.len().min(HANDED_OUT));
        if *is_content {
            pieces.file.count(piece.len());
        }
        if front.is_empty() {
            pieces.ready.pop_front();
        }
        if pieces.ready.is_empty() && pieces.next.is_none() {
            pieces.watch.whole.store(true, Ordering::Release);
        }
        Some((Ok(piece), Some(pieces)))
    }
}
