//! A connection that speaks HTTP/2: each request becomes one of HTTP/1.1 on a connection of its own to the
//! job, so that requests of different clients never share one.
//!
//! Bodies stream both ways. For each request at most three times [`BUFFER`] is kept, and for each connection
//! [`CONNECTION_WINDOW`] of what its clients have sent and the job has not read: 96 MiB for all requests and
//! 512 MiB for all connections with the usual limits, if each client is as slow as can be.
//!
//! Nothing that the client says about itself is trusted or added to: the job sees its headers, without
//! those that are for one connection only, and `Host` from `:authority`. `WebSockets` over HTTP/2 (RFC 8441)
//! are not offered, so browsers open them over HTTP/1.1.

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

/// How much of a body is kept on its way, in bytes.
const BUFFER: usize = 64 * 1024;

/// How much of one upload a client may send before the job has read it.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all uploads a client may send before the job has read it.
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// How many requests a client may have at a time.
const STREAMS: u32 = 100;

/// How large the headers of a request may be together.
const HEADERS: u32 = 64 * 1024;

/// The body of an answer: of this front, or of the job.
type Body = Either<Full<Bytes>, Answer>;

/// Serves a connection until it ends.
pub(super) async fn serve(
    client: TlsStream<TcpStream>,
    admission: &mut ClientConnection,
) -> io::Result<()> {
    let (alive, end) = watch::channel(());
    let (first, mut requests) = watch::channel(false);
    let front = Arc::clone(&admission.front);
    let service = service_fn(move |request| {
        first.send_if_modified(|seen| !std::mem::replace(seen, true));
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(answer(request, &front).await) }
    });
    let mut connection =
        pin!(builder(Tasks { end }).serve_connection(TokioIo::new(client), service));
    let until = Instant::now() + admission.front.limits.first_request_time;
    let (mut proven, mut stopping) = (false, false);
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            _ = requests.wait_for(|seen| *seen), if !proven => {
                admission.ticket.proven();
                proven = true;
            }
            () = sleep_until(until), if !proven => return Ok(()),
            () = admission.stop.requested(), if !stopping => {
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
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
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

/// The answer of the job, or why there is none.
async fn answer(request: Request<Incoming>, front: &Shared) -> Response<Body> {
    match forward(request, front).await {
        Ok(response) => response.map(Either::Right),
        Err(refusal) => refusal.response(),
    }
}

async fn forward(request: Request<Incoming>, front: &Shared) -> Result<Response<Answer>, Refusal> {
    let request = headers::to_job(request)?;
    let turn = Arc::clone(&front.requests).acquire_owned();
    let turn = timeout(front.limits.connect_time, turn).await;
    let Ok(Ok(turn)) = turn else { return Err(Refusal::Busy) };
    let job = front.connect().await.ok_or(Refusal::Unreachable)?;
    let (mut job, exchange) = exchange(job, turn).await?;
    let response = job.send_request(request).await.map_err(|_| Refusal::NoAnswer)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::NoAnswer);
    }
    Ok(headers::to_client(response).map(|body| Answer::new(body, exchange)))
}

/// What one request holds. Its connection to the job ends with it.
pub(super) struct Exchange {
    _connection: JoinSet<()>,
    _turn: OwnedSemaphorePermit,
}

async fn exchange(
    job: TcpStream,
    turn: OwnedSemaphorePermit,
) -> Result<(http1::SendRequest<Incoming>, Exchange), Refusal> {
    let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(job)).await;
    let (sender, connection) = handshake.map_err(|_| Refusal::NoAnswer)?;
    let mut tasks = JoinSet::new();
    // What goes wrong is told to the request, or to the body of its answer.
    tasks.spawn(async move { drop(connection.await) });
    Ok((sender, Exchange { _connection: tasks, _turn: turn }))
}

/// Why a request was not answered by the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A request of HTTP/2 that no request of HTTP/1.1 can say.
    Unsayable,
    /// Too many requests at a time.
    Busy,
    /// The job does not listen.
    Unreachable,
    /// The job has closed the connection, or what it says is not HTTP.
    NoAnswer,
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::Unsayable => (
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
