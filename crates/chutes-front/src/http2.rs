//! A connection over HTTP/2: each request becomes one of HTTP/1.1 on a connection of its own to the job, so
//! that requests of different clients never share one.
//!
//! Bodies stream both ways. For each request at most three times [`BUFFER`] is kept, and for each
//! connection [`CONNECTION_WINDOW`] of data that its client has sent and the job has not read: with the
//! default limits, at worst 96 MiB for all requests and 512 MiB for all connections.
//!
//! Headers about the client are neither interpreted nor added: the job gets the headers of the request,
//! without those that are for one connection only, and `Host` from `:authority`. `WebSockets` over HTTP/2
//! (RFC 8441) are not offered, so browsers open them over HTTP/1.1.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use self::body::Answer;
use super::connection::{ClientConnection, Shared};
use super::pipe::BAD_GATEWAY;

mod body;
mod headers;

/// The buffer for a body in each step, in bytes.
const BUFFER: usize = 64 * 1024;

/// How much of one request body a client may send before the job has read it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all request bodies a client may send before the job has read it, in bytes.
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// The largest number of concurrent requests on one connection.
const MAX_STREAMS: u32 = 100;

/// The largest size of all headers of a request, in bytes.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// The body of an answer of this front, or of the job.
type Body = Either<Full<Bytes>, Answer>;

/// Serves a connection until it ends.
pub(super) async fn serve(
    client: TlsStream<TcpStream>,
    client_connection: &mut ClientConnection,
) -> io::Result<()> {
    let (alive, end) = watch::channel(());
    let (first, mut requests) = watch::channel(false);
    let front = Arc::clone(&client_connection.front);
    let service = service_fn(move |request| {
        first.send_if_modified(|seen| !std::mem::replace(seen, true));
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(answer(request, &front).await) }
    });
    let mut connection =
        pin!(builder(Tasks { end }).serve_connection(TokioIo::new(client), service));
    let until = Instant::now() + client_connection.front.limits.first_request_time;
    let (mut confirmed, mut stopping) = (false, false);
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            _ = requests.wait_for(|seen| *seen), if !confirmed => {
                client_connection.handshake.confirmed();
                confirmed = true;
            }
            () = sleep_until(until), if !confirmed => return Ok(()),
            () = client_connection.stop.requested(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    drop(alive);
    ended.map_err(io::Error::other)
}

fn builder(tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_send_buf_size(BUFFER)
        .auto_date_header(false);
    builder
}

/// Runs the tasks of one connection, which all end with it.
#[derive(Clone)]
struct Tasks {
    end: watch::Receiver<()>,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        let mut end = self.end.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = end.changed() => {}
                _ = future => {}
            }
        });
    }
}

/// The answer of the job, or one that says why there is none.
async fn answer(request: Request<Incoming>, front: &Shared) -> Response<Body> {
    match forward(request, front).await {
        Ok(response) => response.map(Either::Right),
        Err(refusal) => refusal.response(),
    }
}

async fn forward(request: Request<Incoming>, front: &Shared) -> Result<Response<Answer>, Refusal> {
    let request = headers::to_job(request)?;
    let permit = Arc::clone(&front.requests).acquire_owned();
    let permit = timeout(front.limits.connect_time, permit).await;
    let Ok(Ok(permit)) = permit else { return Err(Refusal::Busy) };
    let job = front.connect().await.ok_or(Refusal::Unreachable)?;
    let (mut job, exchange) = exchange(job, permit).await?;
    let response = job.send_request(request).await.map_err(|_| Refusal::NoAnswer)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::NoAnswer);
    }
    Ok(headers::to_client(response).map(|body| Answer::new(body, exchange)))
}

/// The resources of one request. Dropping this closes its connection to the job.
pub(super) struct Exchange {
    _connection: JoinSet<()>,
    _permit: OwnedSemaphorePermit,
}

async fn exchange(
    job: TcpStream,
    permit: OwnedSemaphorePermit,
) -> Result<(http1::SendRequest<Incoming>, Exchange), Refusal> {
    let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(job)).await;
    let (sender, connection) = handshake.map_err(|_| Refusal::NoAnswer)?;
    let mut tasks = JoinSet::new();
    // An error is also reported to the request, or to the body of its answer.
    tasks.spawn(async move { drop(connection.await) });
    Ok((sender, Exchange { _connection: tasks, _permit: permit }))
}

/// Why a request was not answered by the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A request of HTTP/2 that cannot be expressed in HTTP/1.1.
    NotHttp1,
    /// Too many requests at a time.
    Busy,
    /// The job does not listen.
    Unreachable,
    /// The job has closed the connection, or its answer is not HTTP.
    NoAnswer,
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::NotHttp1 => (
                StatusCode::BAD_REQUEST,
                "the request has no usable host, or a method that is not passed on\n",
            ),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time\n"),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, BAD_GATEWAY),
            Self::NoAnswer => (StatusCode::BAD_GATEWAY, "the job has given no answer\n"),
        };
        let mut response = Response::new(Either::Left(Full::from(text)));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}
